"""Prepare the host, or run the tool there and show its lines while it works.

As tasks this would be twenty modules a step. Here each is one program that a single Python on the host runs, which
receives its request, secrets included, on standard input; no file and no command line ever holds them. Works with
ansible-core 2.14 to 2.21.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shlex
import signal
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.splitter import parse_kv
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible import constants, context

START = "import json, sys; request = json.load(sys.stdin); exec(request.pop('program'))"
WAIT_S = 20.0  # how long one call waits for the tool to say something
DEFAULT_MEANING = "ended in a way that it never should"
MEANINGS = {
    None: "was killed; look with --tags check what it left behind",
    1: "failed; nothing was changed",
    2: "did not accept what it was given; nothing was changed",
    3: "was refused before the first write; nothing was changed",
    4: "was completed in part only, or a deployment still hangs: manual intervention is needed",
    5: "failed; everything was restored",
    127: "could not be started; nothing was changed",
    130: "was interrupted",
}
MEANINGS_OF_CHECK = {1: "says NO: deployments are blocked", 2: "cannot tell whether deployments are blocked"}
# Extra variables that undo needs to find the run again. No other one goes into the line, above all no secret.
PLACE = (
    *("env", "dump_path", "user", "dcos_user", "target", "kubeconfig", "accept_owner", "rollback_accept_owner"),
    *("rollback_env", "rollback_dump", "rollback_user", "rollback_target", "rollback_kubeconfig"),
    *("rollback_config", "rollback_settings", "rollback_package", "rollback_python", "rollback_env_manager"),
    *("rollback_conda", "rollback_conda_python", "rollback_pip_extra_args", "rollback_cache", "rollback_keep_tool"),
)
PASSWORDS = ("password", "dcos_password", "rollback_password")

display = Display()


class ActionModule(ActionBase):
    """`do: prepare` or `do: run`; the tasks of the role show what each expects."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Do what the task says; both are harmless or decide themselves with --check."""
        result = super().run(tmp, task_vars)
        does = {"prepare": self._prepare, "run": self._run_tool}[self._task.args["do"]]
        return {**result, **does(self._task.args, (task_vars or {}).get("rollback_stdin", ""))}

    def _call(self, program: str, python: str, request: dict) -> dict:
        """Run one of the role's programs on the host.

        Raises:
            AnsibleActionFail: it did not answer.
        """
        text = Path(self._find_needle("files", program)).read_text(encoding="utf-8")
        done = self._low_level_execute_command(
            shlex.join([python, "-c", START]), in_data=json.dumps({**request, "program": text}).encode()
        )
        lines = done["stdout"].strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            said = (done["stderr"].strip() or done["stdout"].strip()).splitlines()
            raise AnsibleActionFail(
                f"{python} on this host did not run the role's {program}: {said[-1] if said else 'no output'}"
            ) from None

    def _prepare(self, args: dict, _: str) -> dict:
        source, checksum = self._package(args["package"])
        recipe = json.dumps([checksum or args["package"], *args["recipe"]])
        tool = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        python = args["python"]
        wanted = "it has to start, be 3.10 or later and have its venv module"
        wanted += " (on Debian and Ubuntu: apt install python3-venv)"
        try:
            found = self._call(
                "prepare.py",
                python,
                {
                    "dump": args["dump"],
                    "needs_dump": args["needs_dump"],
                    "cache": args["cache"],
                    "env": args["env"],
                    "settings": args["settings"],
                    "tool": tool,
                },
            )
        except AnsibleActionFail as failure:
            return _failed(f"rollback_python is {python}: {wanted}. {failure}")
        if found["version"] < [3, 10] or (args["environment_needed"] and not found["venv"]):
            version = ".".join(str(number) for number in found["version"])
            lacks = "" if found["venv"] else ", without venv"
            return _failed(f"rollback_python is {python}: {wanted}. It is {version}{lacks}")
        if "refusal" in found:
            return _failed(found["refusal"])
        if found["shared"]:
            _show(f"Others can write to {found['shared']}, so everything is kept in {found['dump']}, mode 0700.")
        return {"changed": False, "host": {**found, "source": source, "tool": f"{found['cache']}/{tool}"}}

    def _package(self, package: str) -> tuple[str, str]:
        """Where a package is on this machine and the checksum of what is in it; both empty for a requirement of pip.

        Raises:
            AnsibleActionFail: it is not there, or a folder that is no checkout.
        """
        if "/" not in package and not package.endswith((".whl", ".pyz")):
            return "", ""
        path = Path(self._loader.path_dwim(package))
        if not path.exists():
            raise AnsibleActionFail(
                f"rollback_package is {package}, and there is no such file or folder on this machine: name one"
            )
        checksum = hashlib.sha256()
        if path.is_file():
            checksum.update(path.read_bytes())
            return str(path), checksum.hexdigest()
        spec = importlib.util.spec_from_file_location("rollback_pack", self._find_needle("files", "pack.py"))
        pack = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pack)
        try:
            for file in pack.files(path):
                content = file.read_bytes()
                checksum.update(f"{file.relative_to(path)}\0{len(content)}\0".encode() + content)
        except ValueError as error:
            raise AnsibleActionFail(f"rollback_package cannot be installed: {error}") from None
        return str(path), checksum.hexdigest()

    def _run_tool(self, args: dict, secrets: str) -> dict:
        host, step = args["host"], args["step"]
        environ = {name: value for name, value in args["environ"].items() if value}
        if args.get("undoable"):
            environ.setdefault("ROLLBACK_UNDO_HINT", undo_line(host["env"]))
        said = self._call(
            "step.py",
            host["python"],
            {
                "do": "start",
                "argv": args["words"],
                # A secret may not be an argument: those are shown to whoever watches the tasks.
                "stdin": self._templar.template(secrets),
                "environ": environ,
                "remove": args.get("remove", []),
                "result": args.get("result", ""),
                "copy": args.get("copy", "") if host["shared"] else "",
                "dump": host["dump"],
                "shared": host["shared"],
                "cache": host["cache"],
                "wait_s": WAIT_S,
            },
        )
        messages = _show(said["stderr"])
        while not said["over"]:
            request = {"do": "follow", "step": said["step"], "offset": said["offset"], "wait_s": WAIT_S}
            said = self._call("step.py", host["python"], request)
            messages += _show(said["stderr"])
        lines = _show(said["stdout"], result=True)
        if said["not_copied"]:
            _show(f"rollback.json is {host['dump']}/rollback.json; no copy was made: {said['not_copied']}.")
        if said["rc"] != 0:
            return _failed(reason(step, said["rc"], lines, messages), rc=said["rc"])
        return {
            "changed": lines[:1] != [] and lines[0].startswith(("DONE", "PARTLY")),
            "rc": 0,
            "stdout_lines": lines,
        }


def _failed(message: str, **more: int | None) -> dict:
    return {"failed": True, "changed": False, "msg": message, **more}


def _show(text: str, *, result: bool = False) -> list[str]:
    """Show lines while the tool works; results have standard output for themselves.

    The lines travel to Ansible's main process through a queue, whose lock would be held for ever if a signal ended
    this process meanwhile: `ansible-playbook` would not end then (seen with 2.21). So signals wait.
    """
    lines = text.splitlines()
    if lines:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            display.display("\n".join(lines), stderr=not result)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return lines


def reason(step: str, code: int | None, result: list[str], messages: list[str]) -> str:
    """Why a step failed and what to do next, in one line: the tool's own words, last as they are read last."""
    meanings = {**MEANINGS, **MEANINGS_OF_CHECK} if step == "check" else MEANINGS
    error: list[str] = []
    for line in messages:
        if line.startswith("rollback: "):
            error = [line.removeprefix("rollback: ")]
        elif error and line.startswith("  "):
            error.append(" ".join(line.split()))
        elif error:
            break
    words = error or [line.strip() for line in result[:1]]
    told = f"{step} (exit code {code}) {meanings.get(code, DEFAULT_MEANING)}"
    return f"{told}: {'; '.join(words)}" if words else told


def undo_line(env: str) -> str:
    """The complete command that undoes a run from where this one was started; `{run}` is the run's id.

    Whatever the user named that tells where the run is named again, quoted for the shell, and nothing that is secret.
    """
    cli = context.CLIARGS
    words = ["ansible-playbook"]
    inventories = list(cli.get("inventory") or ())
    for inventory in inventories if inventories != list(constants.DEFAULT_HOST_LIST) else ():
        words += ["-i", inventory]
    for name, option in (("vault_ids", "--vault-id"), ("vault_password_files", "--vault-password-file")):
        for value in cli.get(name) or ():
            words += [option, value]
    words += ["--ask-vault-pass"] if cli.get("ask_vault_pass") else []
    words += ["--limit", cli["subset"]] if cli.get("subset") else []
    words += [*cli.get("args", ()), "--tags", "undo"]
    given: dict = {}
    for extra in cli.get("extra_vars") or ():
        if extra.startswith("@"):
            words += ["-e", extra]
        else:
            given.update(yaml.safe_load(extra) if extra.startswith(("{", "[")) else parse_kv(extra))
    named = {name: value for name, value in given.items() if name in PLACE}
    if not {"env", "rollback_env"} & named.keys():
        named["env"] = env
    for name, value in named.items():
        plain = isinstance(value, str) and not set(value) & set("'\"\\ \n")
        words += ["-e", f"{name}={value}" if plain else json.dumps({name: value})]
    line = f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join(words)} -e run={{run}}"
    if any(name in given for name in PASSWORDS):
        return f"read -rsp 'Password: ' ROLLBACK_PASSWORD; export ROLLBACK_PASSWORD; {line}"
    return line
