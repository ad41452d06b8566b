"""Other programs: what goes in, what comes out, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from rollback.errors import ProgramMissing, ProgramStopped
from rollback.secret import Secret
from rollback.system import process


def python(code: str, **options: object) -> process.CompletedProgram:
    return process.run([sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_code_and_both_outputs_come_back() -> None:
    result = python("import sys; print('out'); print('bad', file=sys.stderr); sys.exit(3)")

    assert (result.code, result.stdout, result.stderr) == (3, "out\n", "bad\n")
    assert result.said == "bad"


def test_stdin_arrives_whole_and_unquoted() -> None:
    text = "$(id) 'quotes' \"and\" `more` é\n"

    result = python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin=text)

    assert result.stdout == text


def test_much_on_both_pipes_does_not_block() -> None:
    code = "import sys\nfor _ in range(300): print('o' * 1000); print('e' * 1000, file=sys.stderr)"

    result = python(code, stdin="i" * 300_000, timeout_s=30)

    assert (len(result.stdout), len(result.stderr)) == (300_300, 300_300)


def test_an_argument_is_never_a_command() -> None:
    result = process.run([sys.executable, "-c", "import sys; print(sys.argv[1])", "; exit 7 #"])

    assert result.stdout == "; exit 7 #\n"


def test_at_its_time_the_program_and_its_children_end(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import subprocess, sys, os, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('so far', flush=True)\n"
        "time.sleep(60)\n"
    )

    with pytest.raises(ProgramStopped) as caught:
        python(code, timeout_s=1.5)

    assert "1.5 s" in caught.value.what
    assert caught.value.why == "so far"
    deadline = time.monotonic() + 5
    left = [int(pid) for pid in pids.read_text().split()]
    while any(map(alive, left)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, left))


def test_a_program_that_ignores_the_polite_signal_ends_too() -> None:
    began = time.monotonic()

    with pytest.raises(ProgramStopped):
        python("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", timeout_s=0.5)

    assert time.monotonic() - began < 20


def test_ctrl_c_at_the_terminal_does_not_reach_the_program() -> None:
    result = python("import os; print(os.getsid(0) == os.getpid())")

    assert result.stdout == "True\n"


def test_an_interrupted_wait_lets_the_write_finish(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = f"import os, time, signal; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.1); open({str(done)!r}, 'w')"

    with pytest.raises(KeyboardInterrupt):
        python(code)

    assert done.exists()


@pytest.mark.parametrize("name", ["no-such-program-here", "./no/such/program"])
def test_a_missing_program_is_a_clear_error(name: str) -> None:
    with pytest.raises(ProgramMissing) as caught:
        process.find(name, hint="install it")

    assert name in caught.value.what
    assert caught.value.hint == "install it"


def test_a_file_that_is_no_program_is_a_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "dcos"
    broken.write_text("not a program\n")
    broken.chmod(0o700)

    with pytest.raises(ProgramMissing) as caught:
        process.run([str(broken)])

    assert "cannot be started" in caught.value.what


def test_a_secret_that_a_program_quotes_is_not_shown() -> None:
    code = "import os, sys; print(os.environ['P']); sys.exit('wrong password ' + os.environ['P'])"

    result = python(code, env={"P": "hunter2"}, secrets=[Secret("hunter2"), Secret("hunter"), Secret()])

    assert result.quote == "wrong password ***"
    assert "hunter2" not in repr(result)


def test_data_stays_as_it_is_even_where_it_looks_like_a_secret() -> None:
    result = python("print('/ds/prod/shop/billing')", secrets=[Secret("shop")])

    assert (result.stdout, result.said) == ("/ds/prod/shop/billing\n", "/ds/prod/shop/billing")
    assert result.quote == "/ds/prod/***/billing"


def test_a_child_does_not_inherit_our_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBACK_PASSWORD", "hunter2")
    monkeypatch.setenv("TERM", "xterm")

    env = process.environment(without=["TERM"], DCOS_CLUSTER="prod")

    assert "ROLLBACK_PASSWORD" not in env
    assert "TERM" not in env
    assert env["DCOS_CLUSTER"] == "prod"
    assert env["PATH"] == os.environ["PATH"]


def test_a_program_ended_by_a_signal_says_which() -> None:
    result = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert result.code == -signal.SIGKILL


def test_a_program_that_prints_without_end_is_stopped_and_not_kept(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\nwhile True: os.write(2, b'e' * 65536)"
    tracemalloc.start()

    with pytest.raises(ProgramStopped, match="printed more than 4 MiB and was stopped"):
        python(code, largest=4 << 20)

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32 << 20
    assert not alive(int(pid.read_text()))


def test_whoever_wants_to_stop_waits_less_than_a_second_for_a_program() -> None:
    began = time.monotonic()

    with pytest.raises(ProgramStopped) as caught:
        python(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
            stopping=lambda: time.monotonic() > began + 0.3,
        )

    assert caught.value.why == "interrupted"
    assert time.monotonic() - began < 20


def test_a_program_that_does_not_read_its_input_is_no_fault() -> None:
    assert python("print('done')", stdin="i" * 3_000_000).stdout == "done\n"


def test_line_ends_are_plain() -> None:
    assert python("import os; os.write(1, b'a\\r\\nb\\rc\\n\\xff')").stdout == "a\nb\nc\n\ufffd"


def test_a_program_that_closes_its_output_and_goes_on_is_waited_for() -> None:
    result = python("import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)")

    assert result.code == 5
