"""Attribution: which pixels speak for a class and which against it, by the methods of the field."""
