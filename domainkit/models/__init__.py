"""Base models: where one comes from, how it is loaded, how conversations become its token ids. No training, no
serving."""

from typing import Literal

from domainkit.library_logs import mute_bitsandbytes_advice

Quantization = Literal["auto", "nf4", "int8", "none"]
DEFAULT_BASE = "builtin:smollm2-135m"

mute_bitsandbytes_advice()
