"""Key services that wrap the vault's data keys: one module per cloud, one in memory. They do not know each other."""
