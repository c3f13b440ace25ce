"""What is found on this machine is what other sources say of it; what others print is read as they print it."""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest

from dreamr.machine import found
from dreamr.machine.gpus import Gpu, Gpus, probed_gpus

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="not run: needs Linux")


def machine(tmp_path: Path) -> found.Machine:
    return found.probed({"results": tmp_path}, with_gpus=False)


# -- this machine, against other sources


@LINUX
def test_processor_and_memory_are_what_others_say(tmp_path: Path) -> None:
    here = machine(tmp_path)
    assert (here.system, here.architecture) == (platform.system(), platform.machine())
    assert here.memory_gb and here.memory_gb <= psutil.virtual_memory().total / found.GB + 1e-6
    assert here.free_memory_gb and 0 < here.free_memory_gb <= psutil.virtual_memory().total / found.GB
    assert 1 <= here.cores <= len(psutil.Process().cpu_affinity())
    if here.architecture == "x86_64":
        from numpy._core._multiarray_umath import __cpu_features__ as numpys

        for name in ("AVX", "AVX2", "AVX512F"):
            assert (name.lower() in here.instructions) == numpys[name], name


@LINUX
def test_software_is_what_others_say(tmp_path: Path) -> None:
    here = machine(tmp_path)
    name, version = platform.libc_ver()
    assert here.glibc == (tuple(map(int, version.split(".")[:2])) if name == "glibc" else None)
    assert here.python == sys.version_info[:2]
    if here.compiler:
        source, include = tmp_path / "a.c", sysconfig.get_path("include")
        source.write_text("#include <Python.h>\n")
        done = subprocess.run([here.compiler, "-fsyntax-only", f"-I{include}", source], capture_output=True)
        assert (done.returncode == 0) == here.python_headers


def test_a_folder_that_is_not_there_has_the_room_of_the_one_above(tmp_path: Path) -> None:
    place = found.place(tmp_path / "not" / "there")
    assert place.free_gb == pytest.approx(shutil.disk_usage(tmp_path).free / found.GB, abs=0.5)
    assert place.writable and place.file_system == tmp_path.stat().st_dev
    assert list(tmp_path.iterdir()) == []


def test_a_small_disk_and_one_that_cannot_be_written(small_disk: Path) -> None:
    assert found.place(small_disk / "results").free_gb < 0.003
    assert found.place(small_disk).file_system != small_disk.parent.stat().st_dev
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert not found.place(small_disk / "results").writable


def test_a_folder_of_another_user_cannot_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("not run: root may write everywhere")
    tmp_path.chmod(0o500)
    assert not found.place(tmp_path).writable


# -- what systems tell


def test_sets_of_instructions_are_read_from_x86_and_arm(tmp_path: Path) -> None:
    intel, arm = tmp_path / "intel", tmp_path / "arm"
    intel.write_text(
        "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5-1235U\nflags\t\t: fpu sse4_2 avx avx2 fma\n"
        "vmx flags\t: vnmi\n\nprocessor\t: 1\nmodel name\t: other\nflags\t\t: fpu\n"
    )
    arm.write_text("processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd asimddp bf16\nCPU part\t: 0xd40\n")
    assert found.processor(intel) == "Intel(R) Core(TM) i5-1235U"
    assert found.instructions(intel) == {"fpu", "sse4_2", "avx", "avx2", "fma"}
    assert found.instructions(arm) == {"fp", "asimd", "asimddp", "bf16"}
    assert found.instructions(tmp_path / "none") == frozenset()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@LINUX
def test_a_limit_of_the_shell_is_found() -> None:
    command = f"ulimit -v 4000000; exec {sys.executable} -c 'from dreamr.machine.found import *; print(memory_gb())'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert float(done.stdout) == 4.096


def test_limits_of_a_slurm_job_and_of_all_above_it_are_found(tmp_path: Path) -> None:
    """Cgroup 2: the job's own limit, none on its step, and a larger one of the user."""
    own, root = tmp_path / "own", tmp_path / "root"
    own.write_text("0::/system.slice/slurmd/job_7/step_0\n")
    write(root / "system.slice/slurmd/job_7/step_0/memory.max", "max")
    write(root / "system.slice/slurmd/job_7/memory.max", "4294967296")
    write(root / "system.slice/memory.max", "8589934592")
    write(root / "system.slice/slurmd/job_7/cpu.max", "150000 100000")
    write(root / "system.slice/cpu.max", "max 100000")
    assert list(found.memory_limits(own, root)) == [4 << 30, 8 << 30]
    assert list(found.core_limits(own, root)) == [1.5]


def test_limits_of_a_container_are_found_where_its_cgroup_has_the_hosts_name(tmp_path: Path) -> None:
    own, root = tmp_path / "own", tmp_path / "root"
    own.write_text("0::/docker/0123\n")
    write(root / "memory.max", "2147483648")
    assert list(found.memory_limits(own, root)) == [2 << 30]


def test_limits_of_the_first_cgroups_are_found(tmp_path: Path) -> None:
    own, root = tmp_path / "own", tmp_path / "root"
    own.write_text("5:cpu,cpuacct:/job\n4:memory:/job\n3:cpuset:/\n1:name=systemd:/\n0::/\n")
    write(root / "memory/job/memory.limit_in_bytes", "1073741824")
    write(root / "memory/memory.limit_in_bytes", "9223372036854771712")
    write(root / "cpu/job/cpu.cfs_quota_us", "200000")
    write(root / "cpu/job/cpu.cfs_period_us", "100000")
    write(root / "cpu/cpu.cfs_quota_us", "-1")
    write(root / "cpu/cpu.cfs_period_us", "100000")
    assert min(found.memory_limits(own, root)) == 1 << 30
    assert list(found.core_limits(own, root)) == [2.0]
    assert not list(found.memory_limits(tmp_path / "none", root))


@pytest.mark.parametrize(("told", "version"), [("glibc 2.28", (2, 28)), (None, None), ("", None)])
def test_another_c_library_is_none(
    told: str | None, version: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: told)
    monkeypatch.setattr(os, "confstr_names", {"CS_GNU_LIBC_VERSION": 2})
    assert found.glibc() == version


def test_where_the_c_library_has_no_such_word_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and musl do not know the name; Windows has no such function."""

    def unknown(name: str) -> str:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "confstr_names", {"CS_GNU_LIBC_VERSION": 2})
    monkeypatch.setattr(os, "confstr", unknown)
    assert found.glibc() is None
    monkeypatch.setattr(os, "confstr_names", {"CS_PATH": 0})
    assert found.glibc() is None
    monkeypatch.delattr(os, "confstr_names")
    assert found.glibc() is None


def test_the_compiler_is_the_one_that_triton_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("clang", "icx"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert found.compiler() == str(tmp_path / "clang")
    monkeypatch.setenv("CC", "icx -O2")
    assert found.compiler() == str(tmp_path / "icx")
    (tmp_path / "clang").unlink()
    monkeypatch.delenv("CC")
    assert found.compiler() is None


def test_a_system_without_proc_is_probed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS is: no /proc, no cgroups, another C library."""
    for name in ("CPUINFO", "MEMINFO", "OWN_CGROUPS"):
        monkeypatch.setattr(found, name, tmp_path / "none")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(os, "confstr_names", {"CS_PATH": 1})
    here = machine(tmp_path)
    assert (here.system, here.architecture, here.instructions) == ("Darwin", "aarch64", frozenset())
    assert (here.glibc, here.free_memory_gb) == (None, None)
    assert here.memory_gb and here.cores >= 1


# -- nvidia-smi

HEADING = "index, uuid, name, driver_version, memory.total [MiB], compute_cap, mig.mode.current\n"
ONE = HEADING + "0, GPU-1111aaaa-0, NVIDIA H100 80GB HBM3, 580.65.06, 81559, 9.0, Disabled\n"
TWO = (
    HEADING + "0, GPU-1111aaaa-0, NVIDIA L40S, 570.124.06, 46068, 8.9, [N/A]\n"
    "1, GPU-2222bbbb-0, Tesla V100-SXM2-32GB, 570.124.06, 32768, 7.0, [N/A]\n"
)
DIVIDED = (
    HEADING + "0, GPU-7fdaf0a5-179b, NVIDIA A100-SXM4-80GB, 580.65.06, 81920, 8.0, Enabled\n"
    "1, GPU-90003f8c-cdb9, NVIDIA A100-SXM4-80GB, 580.65.06, 81920, 8.0, Disabled\n"
)
SLICES = (
    "GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-7fdaf0a5-179b)\n"
    "  MIG 1g.10gb     Device  0: (UUID: MIG-feb88891-0321)\n"
    "  MIG 3g.40gb     Device  1: (UUID: MIG-a25704ba-3a06)\n"
    "GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-90003f8c-cdb9)\n"
)
UNIFIED = HEADING + "0, GPU-3333cccc-0, NVIDIA GB10, 580.95.05, [N/A], 12.1, [N/A]\n"
OLD = 'Field "compute_cap" is not a valid field to query.\n\n'
OLD_ONE = "index, uuid, name, driver_version, memory.total [MiB]\n0, GPU-1111aaaa-0, Tesla K80, 470.182.03, 11441\n"
BROKEN = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n\n"
)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stand-in of nvidia-smi that prints what it is given, by what it is asked."""

    def made(answers: dict[str, tuple[int, str]], names: str | None = None) -> Gpus:
        command = tmp_path / "nvidia-smi"
        command.write_text(
            f"#!{sys.executable}\nimport sys\nfor asked, (code, told) in {answers!r}.items():\n"
            "    if asked in ' '.join(sys.argv):\n        sys.stdout.write(told)\n        sys.exit(code)\n"
        )
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if names is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
        return probed_gpus()

    return made


def test_a_gpu_is_read(smi) -> None:
    assert smi({"--query-gpu": (0, ONE)}) == Gpus(
        (Gpu("NVIDIA H100 80GB HBM3", (580, 65, 6), pytest.approx(85.52, abs=0.01), (9, 0)),)
    )


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (None, ["NVIDIA L40S", "Tesla V100-SXM2-32GB"]),
        ("1,0", ["Tesla V100-SXM2-32GB", "NVIDIA L40S"]),
        ("GPU-2222", ["Tesla V100-SXM2-32GB"]),
        ("0,7,1", ["NVIDIA L40S"]),
        ("", []),
        ("-1", []),
    ],
)
def test_what_a_job_may_use_is_what_is_seen(smi, names: str | None, seen: list[str]) -> None:
    found = smi({"--query-gpu": (0, TWO)}, names)
    assert [gpu.name for gpu in found.seen] == seen
    assert bool(found.trouble) == (not seen)


@pytest.mark.parametrize(
    ("names", "profiles"),
    [
        (None, ["1g.10gb", "3g.40gb", None]),
        ("MIG-a25704ba-3a06", ["3g.40gb"]),
        ("0", ["1g.10gb"]),
        ("1", [None]),
    ],
)
def test_slices_stand_for_a_gpu_that_is_divided(smi, names: str | None, profiles: list[str | None]) -> None:
    found = smi({"--query-gpu": (0, DIVIDED), "-L": (0, SLICES)}, names)
    assert [gpu.profile for gpu in found.seen] == profiles
    sizes = {"1g.10gb": 10.0, "3g.40gb": 40.0, None: pytest.approx(85.9, abs=0.01)}
    assert all(gpu.memory_gb == sizes[gpu.profile] and gpu.capability == (8, 0) for gpu in found.seen)


def test_a_divided_gpu_without_slices_is_none(smi) -> None:
    only = DIVIDED.splitlines(keepends=True)
    found = smi({"--query-gpu": (0, "".join(only[:2])), "-L": (0, SLICES.splitlines(keepends=True)[0])})
    assert found.seen == () and "MIG" in found.trouble


def test_memory_that_is_not_told_is_none(smi) -> None:
    (gpu,) = smi({"--query-gpu": (0, UNIFIED)}).seen
    assert (gpu.memory_gb, gpu.capability) == (None, (12, 1))


def test_an_old_driver_is_asked_for_what_it_knows(smi) -> None:
    (gpu,) = smi({"compute_cap": (2, OLD), "memory.total": (0, OLD_ONE)}).seen
    assert (gpu.driver, gpu.capability) == ((470, 182, 3), None)


@pytest.mark.parametrize(("code", "told"), [(9, BROKEN), (6, "No devices were found\n")])
def test_why_there_are_none_is_told_in_one_line(smi, code: int, told: str) -> None:
    found = smi({"--query-gpu": (code, told)})
    assert found == Gpus(trouble=f"nvidia-smi: {told.strip()}")


@pytest.mark.parametrize(
    ("code", "told", "runs"),
    [(0, "", True), (0, "2101\\n", True), (1, "Cannot find MPS control daemon process\\n", False)],
)
def test_whether_the_multi_process_service_runs_is_asked_of_its_daemon(
    smi, tmp_path: Path, code: int, told: str, runs: bool
) -> None:
    """With the command that `nvidia-cuda-mps-control` documents, which starts no server and ends none."""
    control = tmp_path / "nvidia-cuda-mps-control"
    control.write_text(
        f"#!{sys.executable}\nimport sys\nassert sys.stdin.read() == 'get_server_list\\n'\n"
        f"sys.stdout.write('{told}')\nsys.exit({code})\n"
    )
    control.chmod(0o755)
    assert smi({"--query-gpu": (0, ONE)}).mps == runs


def test_without_its_command_the_multi_process_service_does_not_run(smi) -> None:
    assert not smi({"--query-gpu": (0, ONE)}).mps


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert probed_gpus() == Gpus(trouble="no nvidia-smi on the path")


def test_the_probes_take_a_fraction_of_a_second() -> None:
    """By the clock of their own process, as this machine may be busy."""
    code = (
        "import json, resource; from pathlib import Path; from dreamr.machine.found import probed; "
        "used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2]); begin = used(); "
        "probed({'a': Path('.'), 'b': Path('/dev/shm')}, True); print(json.dumps(used() - begin))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) < 0.3
