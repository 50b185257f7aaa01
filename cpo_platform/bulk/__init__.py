"""Many objects at once: changes of what is selected, imports of files, and the way back."""
