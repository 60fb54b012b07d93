import shutil
from pathlib import Path
def build(out):
    shutil.copytree(Path(__file__).parent / "live", out / "live")
