"""What only Linux offers. The rest of the package works, unprotected, without this one."""

import sys

if sys.platform != "linux":
    raise ImportError("these protections exist on Linux only")
