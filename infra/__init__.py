"""What the controller controls, as Pulumi programs: one project, six stacks for each environment."""
