"""Code systems by their official URIs, and the few things that a code's own form tells."""

from __future__ import annotations

import re

CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
NDC = "http://hl7.org/fhir/sid/ndc"
SNOMED = "http://snomed.info/sct"
NPI = "http://hl7.org/fhir/sid/us-npi"
TIN = "urn:oid:2.16.840.1.113883.4.4"
PLACE_OF_SERVICE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
REVENUE = "https://www.nubc.org/CodeSystem/RevenueCodes"
TYPE_OF_BILL = "https://www.nubc.org/CodeSystem/TypeOfBill"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
RARC = "https://x12.org/codes/remittance-advice-remark-codes"
UCUM = "http://unitsofmeasure.org"

_LEVEL_II = re.compile(r"[A-VX][0-9]{4}")
_LEVEL_I = re.compile(r"[0-9]{4}[0-9FTU]")
_BEFORE_NPI = "80840"
"""What stands before an NPI when its check digit is reckoned (medical-oncology-and-revenue-cycle.md 8 N1)."""


def system_of(code: str) -> str:
    """The code system of a procedure code by its form: HCPCS level II begins with a letter, level I (CPT) with a digit."""
    return HCPCS if _LEVEL_II.fullmatch(code) else CPT


def is_procedure_code(code: str) -> bool:
    """Whether the text has the form of a HCPCS code of level I or II. Says nothing about its being in force."""
    return bool(_LEVEL_I.fullmatch(code) or _LEVEL_II.fullmatch(code))


def icd10cm(code: str) -> str:
    """An ICD-10-CM code with its point: feeds send `C50412` and `C50.412` for the same thing."""
    plain = code.strip().upper().replace(".", "")
    return plain if len(plain) <= 3 else f"{plain[:3]}.{plain[3:]}"


def is_npi(number: str) -> bool:
    """Whether ten digits beginning with 1 or 2 bear the right check digit: Luhn over 80840 and the number (N1, C-C)."""
    if len(number) != 10 or not (number.isascii() and number.isdigit()) or number[0] not in "12":
        return False
    total = 0
    for place, digit in enumerate(reversed(_BEFORE_NPI + number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
