"""Is anything that is asked for known before? Of every protocol's splits, and of split files that others have made."""
