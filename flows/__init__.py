"""What is scheduled: one flow a file, readable as the story of its steps."""
