"""ROC, DET, CMC, EER, FNIR at FPIR; runs a pipeline over a data set."""
