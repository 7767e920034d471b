"""DNA: STR table -> DnaProfile -> match and likelihood ratio."""
