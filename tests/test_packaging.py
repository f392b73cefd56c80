"""What the wheel holds, and what must not be in the tree."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {"fastloa", "fastloa_kernels"} == {top for top in tops if not top.endswith(".dist-info")}


@pytest.mark.parametrize("package", ["fastloa", "kernels/fastloa_kernels"])
def test_the_wheel_holds_every_file_of_a_package(wheel, package):
    root = ROOT / package
    wanted = {
        f"{root.name}/{path.relative_to(root).as_posix()}"
        for path in root.rglob("*")
        if path.suffix in {".py", ".cuh", ".typed"}
    }
    assert f"{root.name}/py.typed" in wanted
    assert wanted <= set(wheel)


def test_cuda_sources_are_package_data(wheel):
    assert any(name.endswith("cupy_native/map.cuh") for name in wheel)


def test_kernels_is_no_package():
    assert not (ROOT / "kernels" / "__init__.py").exists()


def test_the_licence_goes_along(wheel):
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
