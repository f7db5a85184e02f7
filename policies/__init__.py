"""What no stack may do, checked before anything is made and on what there is."""
