"""Every attack: importing this has all modules register theirs."""

import http1_floods
import http1_crowds
import http2_floods
import http2_forms
import tls
from attack import ALL

__all__ = ["ALL", "http1_floods", "http1_crowds", "http2_floods", "http2_forms",
           "tls"]
