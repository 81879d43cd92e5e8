"""When the loop turns: triggers and the scheduler."""
