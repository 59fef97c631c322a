"""What is asked: samples, questions, one file a benchmark."""
