"""What the infrastructure program's stacks tell, and the controllers' settings that are made of it."""
