"""The processes of one machine: who starts them, watches them, and what the control process serves."""
