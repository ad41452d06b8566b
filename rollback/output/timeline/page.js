"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const phone = matchMedia("(max-width: 700px)").matches;
  const template = document.getElementById(phone ? "chart-phone" : "chart-wide");
  if (!template) return;
  document.documentElement.classList.add("scripted");
  template.after(template.content.cloneNode(true));

  const scroll = document.querySelector(".scroll");
  const grid = scroll.querySelector("svg");
  const radios = [...scroll.querySelectorAll("input[name=day]")];
  const column = document.getElementById("chosen");
  const width = Number(column.getAttribute("width"));
  const table = document.getElementById("selection");
  const rows = table ? [...table.querySelectorAll("tbody tr")] : [];
  if (table) table.hidden = !data.now;
  const button = document.getElementById("copy");
  const copied = document.getElementById("copied");

  // Only text is ever written, never markup: tags and names come from a registry.
  const write = (cell, text, kind) => {
    cell.textContent = text;
    if (kind !== undefined) cell.className = kind;
  };

  const row = (line, number, place, day) => {
    const [digest, built, which, tag, now] = [...line.cells].slice(1).reverse();
    if (number < 0) {
      write(tag, "-"); write(which, data.missing, "which missing");
      write(built, "-"); write(digest, "-");
      tag.removeAttribute("title");
    } else {
      const image = data.images[number];
      write(tag, image[4]); write(built, image[2]); write(digest, image[1] || "-");
      if (image[4] === image[0]) tag.removeAttribute("title"); else tag.title = image[0];
      if (image[3] === day) write(which, "released that day", "which exact");
      else write(which, `carried since ${image[3]}`, "which carried");
    }
    if (now) {
      const runs = data.now[place];
      const same = number >= 0 && (data.same[place] || []).includes(number);
      write(now, same ? `${runs} (same)` : runs, `now ${runs === "-" || number < 0 ? "" : same ? "same" : "differs"}`);
    }
  };

  // Where an image is carried to the date, its line gets a ring and its tag there: the release may be out of sight.
  const [top, step, inset] = data.rings;
  const rings = document.createElementNS(grid.namespaceURI, "g");
  grid.append(rings);
  const draw = (name, attributes, text = "") => {
    const shape = document.createElementNS(grid.namespaceURI, name);
    Object.entries(attributes).forEach(([key, value]) => shape.setAttribute(key, value));
    shape.textContent = text;
    return shape;
  };
  const ring = (place, number, index, day) => {
    if (number < 0 || data.images[number][3] === day) return [];
    const [x, y] = [place * width + inset, top + index * step];
    const told = document.getElementById(`m${number}`)?.querySelector("text");
    // The release's own tag gives way where the two would run into each other.
    if (told && Number(told.getAttribute("x")) + told.getComputedTextLength() + 8 > x) told.classList.add("moved");
    const text = draw("text", { class: "ink tag-here", x: x - 5, y: y - 12 }, data.images[number][5]);
    return [draw("circle", { class: "ring", cx: x, cy: y, r: 5 }), text];
  };

  const command = (day) => data.command[0] + day + data.command[1];

  const choose = (place) => {
    const day = data.days[place];
    const selection = data.selections[place];
    column.setAttribute("x", place * width);
    column.setAttribute("visibility", "visible");
    for (const kind of ["on", "moved"])
      grid.querySelectorAll(`.${kind}`).forEach((shape) => shape.classList.remove(kind));
    selection.forEach((number) => {
      const mark = number >= 0 && document.getElementById(`m${number}`);
      if (mark) mark.classList.add("on");
    });
    rings.replaceChildren(...selection.flatMap((number, index) => ring(place, number, index, day)));
    rows.forEach((line, index) => row(line, selection[index], index, day));
    document.getElementById("day").textContent = day;
    document.getElementById("counts").textContent = data.counts[place];
    document.getElementById("command").textContent = command(day);
    document.getElementById("ready").hidden = data.reached.includes(place);
    document.getElementById("chosen-day").hidden = false;
    document.getElementById("no-day").hidden = true;
    table.hidden = false;
    table.classList.remove("waiting");
    copied.textContent = "";
    try { history.replaceState(null, "", `#${day}`); } catch { /* some frames forbid it; only the address misses it */ }
  };

  const reveal = (place) => {
    const names = scroll.querySelector(".names").offsetWidth;
    const left = place * width;
    if (left < scroll.scrollLeft) scroll.scrollLeft = left;
    else if (left + width + names > scroll.scrollLeft + scroll.clientWidth)
      scroll.scrollLeft = left + width + names - scroll.clientWidth;
  };

  radios.forEach((radio) => radio.addEventListener("change", () => {
    choose(Number(radio.value));
    reveal(Number(radio.value));
  }));

  grid.addEventListener("click", (event) => {
    if (event.target.closest("a")) return;
    const place = Math.floor((event.clientX - grid.getBoundingClientRect().left) / width);
    const radio = radios.find((one) => Number(one.value) === place);
    if (radio) { radio.checked = true; radio.focus({ preventScroll: true }); choose(place); }
  });

  const old = (text) => {  // pages from plain http have no clipboard of their own
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("refused");
  };

  if (button) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById("command").textContent;
      try {
        if (navigator.clipboard) await navigator.clipboard.writeText(text).catch(() => old(text));
        else old(text);
        copied.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(document.getElementById("command"));
        copied.textContent = "Marked: press Ctrl+C";
      }
      button.focus();
    });
  }

  // No date is chosen beforehand, unless the address names one: the newest may well be the one that broke.
  scroll.scrollLeft = scroll.scrollWidth;
  const named = radios.find((radio) => data.days[radio.value] === location.hash.slice(1));
  if (named) { named.checked = true; choose(Number(named.value)); reveal(Number(named.value)); }
})();
