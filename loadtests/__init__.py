"""Simulated users, scenarios and the order checker."""
