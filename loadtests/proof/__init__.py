"""`salon prove`: everything that is promised about reliability, tried, and shown as one table."""
