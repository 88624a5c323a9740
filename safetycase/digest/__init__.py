"""SHA-256 of bytes, files, lists of files and tensors, and RFC 6962 trees.

Everything here is a function of bytes, and knows nothing of what they mean.
"""

from safetycase.digest.files import (
    FileDigest,
    as_sha256,
    hash_file,
    hash_tree,
    manifest_digest,
    safe_relative_path,
    sha256_hex,
    sort_unique,
)
from safetycase.digest.merkle import (
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from safetycase.digest.tensors import (
    HashedTensors,
    TensorSpec,
    hash_tensors,
    read_tensor_table,
    stream_tensors,
    tensor_root,
    tensor_table,
    tensor_table_bytes,
)

__all__ = [
    "FileDigest",
    "HashedTensors",
    "TensorSpec",
    "as_sha256",
    "hash_file",
    "hash_tensors",
    "hash_tree",
    "inclusion_proof",
    "leaf_hash",
    "manifest_digest",
    "node_hash",
    "read_tensor_table",
    "root",
    "safe_relative_path",
    "sha256_hex",
    "sort_unique",
    "stream_tensors",
    "tensor_root",
    "tensor_table",
    "tensor_table_bytes",
    "verify_consistency",
    "verify_inclusion",
]
