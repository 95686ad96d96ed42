"""Every operation once: the native call, and its gradient rule right under it. One module for each family."""
