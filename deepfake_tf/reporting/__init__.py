"""From scores to a page that can be believed: metrics with intervals, comparisons, the report."""
