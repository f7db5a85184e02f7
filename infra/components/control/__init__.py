"""What controls it all: a node for each cloud, who each of them is to the other two, and what that allows."""
