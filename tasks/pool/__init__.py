"""The pool: unlabeled items in objects under a prefix, read as Arrow record batches in bounded memory.

``store`` is the seam to S3, ``manifest`` pins what a round may read, ``read`` streams it, ``sampling`` draws
from it by hashes. Nothing is imported here, so that light modules (``spec``) stay light.
"""
