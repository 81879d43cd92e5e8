"""When the loop turns: triggers, jobs, and the scheduler that runs them. The door is ``scheduler.LoRAScheduler``."""
