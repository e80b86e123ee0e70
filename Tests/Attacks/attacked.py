"""The session that is attacked, and the start of a good upload to it."""

import json

SESSION = "attacked"
PATH = f"/v1/sessions/{SESSION}"
ELEMENTS = 1_000_000
"""Of its one tensor: an answer is larger than the sockets' buffers."""
TYPE = "application/vnd.safetensors"
_header = json.dumps({"w": {"dtype": "F32", "shape": [ELEMENTS],
                            "data_offsets": [0, 4 * ELEMENTS]}}).encode()
MODEL_HEAD = len(_header).to_bytes(8, "little") + _header
"""What comes before the numbers."""
MODEL_BYTES = len(MODEL_HEAD) + 4 * ELEMENTS
