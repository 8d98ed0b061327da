"""From scan files to oriented volumes."""
