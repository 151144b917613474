"""FAQ files of every format give their rows, and say where and how to mend what is wrong."""

import csv
import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.errors import InvalidRequest
from semcache.faq import FaqError, FaqFormat, FaqRow, detect_format, fold_question, read_faq

SECRET = "my-secret-content"


def rows(source, **options):
    return [row for row in read_faq(source, **options) if isinstance(row, FaqRow)]


def errors(source, **options):
    return [row for row in read_faq(source, **options) if isinstance(row, FaqError)]


def pairs(source, **options):
    return [(row.question, row.answer) for row in rows(source, **options)]


RETURNS = FaqRow(
    "How do I return a parcel?", "Print the label, hand it in.", ("returns", "post"), "r1", ("Send it back?",)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "id,question,answer,tags,variants\n"
            'r1,How do I return a parcel?,"Print the label, hand it in.","returns, post",Send it back?\n',
            id="comma",
        ),
        pytest.param(
            "id;question;answer;tags;variants\r\n"
            "r1;How do I return a parcel?;Print the label, hand it in.;returns|post;Send it back?\r\n",
            id="semicolon and CRLF",
        ),
        pytest.param(
            "Key\tQ\tA\tLabel\tParaphrase_1\tParaphrase 2\r"
            "r1\tHow do I return a parcel?\tPrint the label, hand it in.\treturns,post\tSend it back?\t\r",
            id="tab, aliases and CR",
        ),
        pytest.param(
            "\ufeff\n\nTITLE, Response, Extra, Tag, Category, id, alternatives\n"
            '  How do I return a parcel? , "Print the label, hand it in.", x, returns, post, r1, Send it back?| \n'
            ",,\n\n",
            id="byte order mark, blanks and an unknown column",
        ),
        pytest.param(
            '{"id":"r1","question":"How do I return a parcel?","answer":"Print the label, hand it in.",'
            '"tags":["returns","post"],"variants":["Send it back?"]}\n',
            id="JSONL",
        ),
        pytest.param(
            '\n{"Prompt":" How do I return a parcel?","completion":"Print the label, hand it in.",'
            '"tags":"returns;post","variant":"Send it back?","key":"r1","x":null}',
            id="JSONL, aliases",
        ),
    ],
)
def test_the_same_row_is_read_from_every_form(text, tmp_path):
    (row,) = read_faq(text)
    assert (row.question, row.answer, row.tags, row.id, row.variants) == (
        RETURNS.question,
        RETURNS.answer,
        RETURNS.tags,
        RETURNS.id,
        RETURNS.variants,
    )
    path = tmp_path / "faq.txt"
    path.write_text(text, encoding="utf-8", newline="")
    assert list(read_faq(path)) == [row]


def test_line_numbers_count_lines_and_not_records():
    text = 'question,answer\nOne?,"a\nb\n\nc"\n\nTwo?,d\n"Thr\nee?",e\n'
    assert [(row.question, row.line) for row in rows(text)] == [("One?", 2), ("Two?", 7), ("Thr\nee?", 8)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        pytest.param(f",{SECRET}", "question: empty", id="no question"),
        pytest.param(f"{SECRET},", "answer: empty", id="no answer"),
        pytest.param(SECRET, "answer: empty", id="too few fields"),
        pytest.param(f"a,{SECRET},c", "row: 3 fields where the header names 2", id="too many fields"),
        pytest.param(f'a,"{SECRET}', "row: broken quotes", id="quote never closed"),
        pytest.param(f'a,"b" {SECRET}', "row: broken quotes", id="text after a quote"),
        pytest.param(f"a,{SECRET}{'x' * 110_000}", r"answer: 110,017 characters, at most 100,000", id="long answer"),
        pytest.param(f"{'q' * 8001},{SECRET}", r"question: 8,001 characters, at most 8,000", id="long question"),
        pytest.param(f"a,{SECRET}{'x' * 200_000}", "row: broken quotes or an endless field", id="endless field"),
    ],
)
def test_a_broken_csv_row_is_reported_and_loses_no_other(bad, problem):
    text = f"question,answer\nFirst?,yes\n{bad}\nLast?,yes\nVery last?,yes\n"
    assert pairs(text) == [("First?", "yes"), ("Last?", "yes"), ("Very last?", "yes")]
    (error,) = errors(text)
    assert error.line == 3
    assert error.problem.startswith(problem)
    assert SECRET not in error.problem


def test_the_rest_of_a_broken_row_is_not_taken_for_a_row():
    text = 'question,answer\nWhat?,"He said "hi", and\nleft, then came back"\nNext?,yes\n'
    assert pairs(text) == [("Next?", "yes")]
    assert [error.line for error in errors(text)] == [2, 3]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        pytest.param("frage,answer", "question: no such column", id="no question"),
        pytest.param("question,antwort", "answer: no such column; name it answer or a", id="no answer"),
        pytest.param("How?,So.", "question: no such column", id="no header at all"),
    ],
)
def test_a_table_without_its_columns_is_one_error(header, problem):
    (error,) = read_faq(f"\n{header}\na,b\nc,d\n", format=FaqFormat.CSV)
    assert error.line == 2
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        pytest.param('{"question": "' + SECRET, "row: not valid JSON at column 14", id="cut short"),
        pytest.param(f'["{SECRET}"]', "row: not an object", id="array"),
        pytest.param(f'{{"answer": "{SECRET}"}}', "question: no such field; name it question or q", id="no question"),
        pytest.param(f'{{"q": "{SECRET}"}}', "answer: no such field", id="no answer"),
        pytest.param(f'{{"q": ["{SECRET}"], "a": "b"}}', "question: expected a string", id="question is a list"),
        pytest.param(f'{{"q": "{SECRET}", "a": null}}', "answer: empty", id="answer is null"),
        pytest.param(f'{{"q": "a", "a": "b", "tags": [1, "{SECRET}"]}}', "tags: expected", id="tag is a number"),
        pytest.param(f'{{"q": "a", "a": "b", "variants": {{"{SECRET}": 1}}}}', "variants: expected", id="variants"),
        pytest.param(f'{{"q": "a", "a": "b", "id": ["{SECRET}"]}}', "id: expected", id="id is a list"),
        pytest.param('{"q": "a", "a": "b", "variants": ["' + "v" * 8001 + '"]}', "variants: 8,001", id="long variant"),
        pytest.param('{"q": "\\ud83d", "a": "b"}', "question: holds bytes that are not UTF-8", id="half a character"),
        pytest.param("[" * 100_000, "row: JSON is nested too deeply", id="deep nesting"),
        pytest.param('{"q": ' + "1" * 5000 + "}", "row: JSON is nested too deeply, or a number", id="long number"),
    ],
)
def test_a_broken_jsonl_row_is_reported_and_loses_no_other(bad, problem):
    text = f'{{"q": "First?", "a": "yes"}}\n{bad}\n{{"q": "Last?", "a": "yes"}}\n'
    assert pairs(text) == [("First?", "yes"), ("Last?", "yes")]
    (error,) = errors(text)
    assert error.line == 2
    assert error.problem.startswith(problem)
    assert SECRET not in error.problem


def test_a_line_beyond_all_limits_is_reported_without_being_held(tmp_path):
    path = tmp_path / "faq.jsonl"
    path.write_text('{"q": "' + "x" * 9_000_000 + '"}\n{"q": "Last?", "a": "yes"}\n')
    assert pairs(path) == [("Last?", "yes")]
    assert [(error.line, error.problem[:11]) for error in errors(path)] == [(1, "row: a line")]


@pytest.mark.parametrize("text", ['[{"q": "a", "a": "b"}]', '[\n  {"q": "a",\n   "a": "b"}\n]'], ids=["line", "pretty"])
def test_a_json_array_is_one_error_that_says_what_to_do(text):
    (error,) = read_faq(text)
    assert error.problem.startswith("file: a JSON array; write one object per line")


MARKDOWN = """\
Some words before.

# Parcels

## How do I return a parcel? {#return}

Tags: returns, post

Print the **label**:

```sh
# Is this a heading?
print label
```

### Steps

Hand it in.

## Where is my parcel? ##
~~~
# nor this?
```
~~~
On its way.

**Tags:** tracking
## About us

We like parcels.
   ### **Do you ship to the moon?**
No.
"""


def test_markdown_questions_are_headings_with_a_question_mark():
    assert list(read_faq(MARKDOWN)) == [
        FaqRow(
            "How do I return a parcel?",
            "Print the **label**:\n\n```sh\n# Is this a heading?\nprint label\n```\n\n### Steps\n\nHand it in.",
            tags=("returns", "post"),
            id="return",
            line=5,
        ),
        FaqRow("Where is my parcel?", "~~~\n# nor this?\n```\n~~~\nOn its way.", tags=("tracking",), line=20),
        FaqRow("Do you ship to the moon?", "No.", line=31),
    ]


def test_without_question_marks_the_deepest_headings_are_the_questions():
    text = "# Manual\nintro\n## Returns\nlost\n### Label\nPrint it.\n### C#\nA language.\n## Other\nnone\n"
    assert pairs(text) == [("Label", "Print it."), ("C#", "A language.")]


@pytest.mark.parametrize(
    ("line", "is_question"),
    [
        pytest.param("# How?", True, id="heading"),
        pytest.param("###### How?", True, id="deepest"),
        pytest.param("#\tHow? #", True, id="closed"),
        pytest.param("# 何ですか？", True, id="full width"),  # noqa: RUF001
        pytest.param("# *How?*", True, id="emphasis"),
        pytest.param("####### How?", False, id="seven"),
        pytest.param("#How?", False, id="hashtag"),
        pytest.param("    # How?", False, id="indented code"),
        pytest.param("How?", False, id="text"),
    ],
)
def test_headings_are_told_from_text(line, is_question):
    found = rows(f"# Sure?\nyes\n{line}\nanswer\n", format=FaqFormat.MARKDOWN)
    assert len(found) == 1 + is_question


@pytest.mark.parametrize(
    ("bad", "line", "problem"),
    [
        pytest.param("## Empty?\n", 3, "answer: empty", id="no answer"),
        pytest.param("## Long?\n" + "words and words\n" * 20_000, 3, "answer: ", id="long answer"),
        pytest.param("## Open?\nsee\n```sh\n# left open\n", 5, "answer: a code fence begins here", id="open fence"),
    ],
)
def test_a_broken_section_is_reported_and_loses_no_other(bad, line, problem):
    text = f"## First?\nyes\n{bad}## Next?\n```\n# code\n```\n## Last?\nyes\n"
    assert [row.question for row in rows(text)] == ["First?", "Next?", "Last?"]
    (error,) = errors(text)
    assert error.line == line
    assert error.problem.startswith(problem)


def test_markdown_without_headings_is_one_error():
    (error,) = read_faq("only words\n", format=FaqFormat.MARKDOWN)
    assert error.problem.startswith("file: no heading")


@pytest.mark.parametrize(
    ("name", "data", "good", "lines"),
    [
        pytest.param("a.csv", "question,answer\nWo?,hier\nCafé?,zu\nWer?,ich\n", ["Wo?", "Wer?"], [3], id="CSV"),
        pytest.param("a.jsonl", '{"q":"Wo?","a":"hier"}\n{"q":"Café?","a":"zu"}\n', ["Wo?"], [2], id="JSONL"),
        pytest.param("a.md", "# Wo?\nhier\n# Café?\nzu\n# Wer?\nich\n", ["Wo?", "Wer?"], [3], id="Markdown"),
    ],
)
def test_bytes_that_are_not_utf8_cost_only_their_row(tmp_path, name, data, good, lines):
    path = tmp_path / name
    path.write_bytes(data.encode("latin-1"))
    assert [row.question for row in rows(path)] == good
    assert [error.line for error in errors(path)] == lines
    assert all("not UTF-8; save the file as UTF-8" in error.problem for error in errors(path))


def test_a_utf16_file_is_one_clear_error(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\nWo?,hier\n", encoding="utf-16")
    (error,) = read_faq(path)
    assert "UTF-16; save it as UTF-8" in error.problem


@pytest.mark.parametrize("place", ["missing.csv", ""], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_read_is_refused_at_once(tmp_path, place):
    with pytest.raises(InvalidRequest, match="file: cannot read"):
        read_faq(tmp_path / place, format=FaqFormat.CSV)


@pytest.mark.parametrize("text", ["", "\n \n", "question,answer\n", "question,answer\n,\n"])
def test_a_file_without_rows_says_so(text):
    (error,) = read_faq(text)
    assert error.problem.startswith("file: no rows")


@pytest.mark.parametrize(
    ("source", "format"),
    [
        pytest.param(Path("x.CSV"), FaqFormat.CSV, id="csv"),
        pytest.param(Path("x.tsv"), FaqFormat.CSV, id="tsv"),
        pytest.param(Path("x.jsonl"), FaqFormat.JSONL, id="jsonl"),
        pytest.param(Path("x.ndjson"), FaqFormat.JSONL, id="ndjson"),
        pytest.param(Path("x.md"), FaqFormat.MARKDOWN, id="md"),
        pytest.param('\n  {"q": "a"}', FaqFormat.JSONL, id="object"),
        pytest.param("[\n{}]", FaqFormat.JSONL, id="array"),
        pytest.param("[toc]\n# A?\nb", FaqFormat.MARKDOWN, id="link first"),
        pytest.param("# A?\nb", FaqFormat.MARKDOWN, id="heading"),
        pytest.param("---\ntitle: x\n---\n# A?\nb", FaqFormat.MARKDOWN, id="front matter"),
        pytest.param("question;answer\n# 1?;b", FaqFormat.CSV, id="header"),
        pytest.param("whatever", FaqFormat.CSV, id="nothing known"),
    ],
)
def test_the_format_is_found_by_name_and_then_by_content(source, format):
    assert detect_format(source) is format


def test_a_repeat_is_passed_over_and_a_contradiction_is_an_error():
    text = "question,answer,tags\nWhy?,so,\nWHY,so,\nWhy ?,no,\n why?!,so,new\nHow?,so,\n"
    assert pairs(text) == [("Why?", "so"), ("How?", "so")]
    assert [(error.line, error.problem[:44]) for error in errors(text)] == [
        (4, "question: also on line 2, with another answe"),
        (5, "question: also on line 2, with other tags, i"),
    ]


def test_wordings_that_are_taken_are_left_out_and_contradictions_named():
    first = {"q": "Why?", "a": "so", "variants": ["why", "How come?", "how come", "What for?"]}
    second = {"q": "When?", "a": "now", "variants": ["How come", "At what time?"]}
    third = {"q": "What for", "a": "fun"}
    found = list(read_faq("\n".join(map(json.dumps, (first, second, third)))))
    assert [row.variants for row in found if isinstance(row, FaqRow)] == [("how come", "What for?"), ("At what time?",)]
    assert [(row.line, row.problem.split(";")[0]) for row in found if isinstance(row, FaqError)] == [
        (2, "variants: one is also on line 1, with another answer"),
        (3, "question: also on line 1, with another answer"),
    ]


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(str.strip).filter(bool)
tags = st.lists(words.filter(lambda tag: not set(tag) & set(",;|\n")), max_size=3, unique=True)
faqs = st.lists(
    st.builds(
        FaqRow,
        question=words,
        answer=words,
        tags=tags.map(tuple),
        id=st.none() | words,
        variants=st.lists(words.filter(lambda text: not set(text) & set("|\n")), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=5,
).filter(
    lambda faqs: (
        len({fold_question(text) for row in faqs for text in (row.question, *row.variants)})
        == sum(1 + len(row.variants) for row in faqs)
    )
)


def unnumbered(source):
    return [FaqRow(row.question, row.answer, row.tags, row.id, row.variants) for row in read_faq(source)]


@given(faqs=faqs, delimiter=st.sampled_from(",;\t"), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_rows_written_as_csv_are_read_back(faqs, delimiter, quoting):
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter, quoting=quoting)
    writer.writerow(["id", "question", "answer", "tags", "variants"])
    for row in faqs:
        writer.writerow([row.id or "", row.question, row.answer, "|".join(row.tags), "|".join(row.variants)])
    assert unnumbered(table.getvalue()) == faqs


@given(faqs=faqs, ascii_only=st.booleans())
def test_rows_written_as_jsonl_are_read_back(faqs, ascii_only):
    entries = [{"q": r.question, "a": r.answer, "tags": r.tags, "id": r.id, "variants": r.variants} for r in faqs]
    assert unnumbered("\n".join(json.dumps(entry, ensure_ascii=ascii_only) for entry in entries)) == faqs


@given(
    text=st.text(max_size=200) | st.text(alphabet='#`~"\n\r,;|{}[]? aq', max_size=200),
    format=st.sampled_from(FaqFormat),
)
def test_no_text_makes_reading_fail(text, format):
    for row in read_faq(text, format=format):
        assert row.line >= 1


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".md"])
def test_many_rows_stream_in_little_memory(tmp_path, suffix):
    count, path, answer = 20_000, tmp_path / f"faq{suffix}", "word " * 100
    line = {
        ".csv": f"What is number %d?,{answer}\n",
        ".jsonl": f'{{"question": "What is number %d?", "answer": "{answer}"}}\n',
        ".md": f"## What is number %d?\n{answer}\n",
    }[suffix]
    with path.open("w") as file:
        file.write("question,answer\n" if suffix == ".csv" else "")
        file.writelines(line % number for number in range(count))
    tracemalloc.start()
    try:
        found = sum(isinstance(row, FaqRow) for row in read_faq(path))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == count
    assert peak_bytes < 200 * count  # digests of the questions, and one row: a row of the file has 520 bytes
