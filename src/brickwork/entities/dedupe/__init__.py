"""Find records that describe the same thing: rules in, scored and explained pairs out. Pure: no database, no state.

    rules = DedupeRules(fields=[
        FieldRule(field="given_name", compare="name", swap_with="family_name"),
        FieldRule(field="family_name", compare="name"),
        FieldRule(field="birth_date", compare="date"),
    ])
    result = find_duplicates(records, rules)
    for pair in result.to_review():
        print(pair.left, pair.right, pair.probability, [evidence.note for evidence in pair.explain()])

numpy and rapidfuzz (`pip install 'brickwork[dedupe]'`) are loaded by the first call, not by the import.
"""

from brickwork.entities.dedupe.find import Progress, Record, find_duplicates
from brickwork.entities.dedupe.result import BlockReport, Cluster, FieldEvidence, MatchResult, ScoredPair
from brickwork.entities.dedupe.rules import DedupeRules, FieldRule

__all__ = [
    "BlockReport",
    "Cluster",
    "DedupeRules",
    "FieldEvidence",
    "FieldRule",
    "MatchResult",
    "Progress",
    "Record",
    "ScoredPair",
    "find_duplicates",
]
