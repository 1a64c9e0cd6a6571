"""The plugin as it is here, whether it is installed or not."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))

pytest_plugins = ["pytester"]
