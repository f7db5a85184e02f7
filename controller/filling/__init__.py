"""What lies in the places that the sites' stacks made for secrets, and who puts it there: a plan as data, and its execution."""
