"""What runs on a control node, and how it is started: the same on a laptop and in a cloud. Pure.

Rules for changing this package: functions of values, made of the standard library alone, because infrastructure imports it and is given
nothing else of the controller. What a node needs differs from what the lab needs by values, never by another template.
"""
