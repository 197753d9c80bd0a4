"""Floor 4: looking into networks; records first, rendering apart."""
