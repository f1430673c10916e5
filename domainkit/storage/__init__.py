"""Files and folders: read only where they are plain and of a sane size, written whole or not at all, hashed."""

from domainkit.storage.hashes import sha256_file, sha256_json, sha256_lines
from domainkit.storage.json_text import JsonObject, parse_json, parse_json_at
from domainkit.storage.locks import hold_folder, locked_folder
from domainkit.storage.places import cache_dir, state_dir
from domainkit.storage.plain_files import open_plain, read_bytes, read_tensor_header, read_toml
from domainkit.storage.writing import check_writable, interrupted_save, staged_folder, write_text

__all__ = [
    "JsonObject",
    "cache_dir",
    "check_writable",
    "hold_folder",
    "interrupted_save",
    "locked_folder",
    "open_plain",
    "parse_json",
    "parse_json_at",
    "read_bytes",
    "read_tensor_header",
    "read_toml",
    "sha256_file",
    "sha256_json",
    "sha256_lines",
    "staged_folder",
    "state_dir",
    "write_text",
]
