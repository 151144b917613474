"""FAQ files as rows: questions with their answers, or what is wrong with a line."""

from semcache.faq.folding import fold_question
from semcache.faq.reading import detect_format, read_faq
from semcache.faq.rows import FaqError, FaqFormat, FaqRow, Unanswered

__all__ = ["FaqError", "FaqFormat", "FaqRow", "Unanswered", "detect_format", "fold_question", "read_faq"]
