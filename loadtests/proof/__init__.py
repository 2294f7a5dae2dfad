"""`salon prove`: tries every promise about reliability and shows the results as one table."""
