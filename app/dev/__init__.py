"""Everything that makes one command enough on a bare machine; production code never imports it."""
