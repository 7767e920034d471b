"""Names of record types and fields of ANSI/NIST-ITL transactions.

Source: ANSI/NIST-ITL 1-2011 Update 2013, clauses 8.1 to 8.22 (record tables); the Type-2 fields
of the INTERPOL implementation as Council Decision 2008/616/JHA (Prüm), annex, chapter 2,
appendix 6 repeats them; the FBI's Type-9 fields .013 to .030 after its EBTS.
"""

from functools import cache

__all__ = ["RECORD_NAMES", "field_name"]

RECORD_NAMES = {
    1: "Transaction information",
    2: "User-defined descriptive text",
    3: "Low-resolution greyscale fingerprint image",
    4: "High-resolution greyscale fingerprint image",
    5: "Low-resolution binary fingerprint image",
    6: "High-resolution binary fingerprint image",
    7: "User-defined image",
    8: "Signature image",
    9: "Minutiae",
    10: "Facial, other body part and scar, mark, tattoo image",
    11: "Forensic and investigatory voice",
    12: "Forensic dental and oral",
    13: "Variable-resolution latent friction ridge image",
    14: "Variable-resolution fingerprint image",
    15: "Variable-resolution palm print image",
    16: "User-defined variable-resolution testing image",
    17: "Iris image",
    18: "DNA",
    19: "Variable-resolution plantar image",
    20: "Source representation",
    21: "Associated context",
    22: "Non-photographic imagery",
    98: "Information assurance",
    99: "CBEFF biometric data",
}

_HEAD = """
1 LEN Record length
2 IDC Information designation character
"""
_IMAGE = """
4 SRC Source agency
6 HLL Horizontal line length
7 VLL Vertical line length
8 SLC Scale units
9 THPS Transmitted horizontal pixel scale
10 TVPS Transmitted vertical pixel scale
11 CGA Compression algorithm
"""
_TAIL = """
46 SUB Subject condition
47 CON Capture organisation name
902 ANN Annotation information
903 DUI Device unique identifier
904 MMS Make, model and serial number
993 SAN Source agency name
994 EFR External file reference
995 ASC Associated context
996 HAS Hash
997 SOR Source representation
998 GEO Geographic sample acquisition location
999 DATA Image or object data
"""
_FIELDS = {
    1: """
1 LEN Record length
2 VER Version
3 CNT Transaction content
4 TOT Type of transaction
5 DAT Date
6 PRY Priority
7 DAI Destination agency identifier
8 ORI Originating agency identifier
9 TCN Transaction control number
10 TCR Transaction control reference number
11 NSR Native scanning resolution
12 NTR Nominal resolution
13 DOM Domain name
14 GMT Greenwich mean time
15 DCS Character encoding
16 APS Application profile specifications
17 ANM Agency names
18 GNS Geographic name set
""",
    2: """
1 LEN Record length
2 IDC Information designation character
3 SYS System information
4 DAR Date of record
5 DLU Date of last update
6 SCT Send copy to
7 CNO Case number
8 SQN Sequence number
9 MID Latent identifier
10 CRN Criminal reference number
12 MN1 Miscellaneous identification number 1
13 MN2 Miscellaneous identification number 2
14 MN3 Miscellaneous identification number 3
15 MN4 Miscellaneous identification number 4
63 INF Additional information
64 RLS Respondents list
74 ERM Status or error message
320 ENC Expected number of candidates
""",
    9: """
3 IMP Impression type
4 FMT Minutiae format
5 OFR Originating fingerprint reading system
6 FGP Friction ridge generalised position
7 FPC Fingerprint pattern classification
8 CRP Core position
9 DLT Delta position
10 MIN Number of minutiae
11 RDG Minutiae ridge count indicator
12 MRC Minutiae and ridge count data
13 AFV Feature vector
14 FGN Finger number
15 NMN Number of minutiae
16 FCP Fingerprint characterisation process
17 APC AFIS pattern classification
18 ROV Region of value polygon
19 COF Coordinate offsets
20 ORN Orientation uncertainty
21 CRA Core attributes
22 DLA Delta attributes
23 MAT Minutiae attributes
126 CBI M1 CBEFF information
127 CEI M1 capture equipment identification
128 HLL M1 horizontal line length
129 VLL M1 vertical line length
130 SLC M1 scale units
131 THPS M1 transmitted horizontal pixel scale
132 TVPS M1 transmitted vertical pixel scale
133 FVW M1 finger view
134 FGP M1 friction ridge generalised position
135 FQD M1 friction ridge quality data
136 NOM M1 number of minutiae
137 FMD M1 finger minutiae data
138 RCI M1 ridge count information
139 CIN M1 core information
140 DIN M1 delta information
141 ADA M1 additional delta angles
176 OOD Other feature sets, originating system
177 PAG Other feature sets, processing algorithm
178 SOD Other feature sets, system operational data
179 DTX Other feature sets, contact information
300 ROI EFS region of interest
301 ORT EFS orientation
302 FPP EFS finger, palm, plantar position
303 FSP EFS feature set profile
307 PAT EFS pattern classification
308 RQM EFS ridge quality map
309 RQF EFS ridge quality map format
310 RFM EFS ridge flow map
311 RFF EFS ridge flow map format
312 RWM EFS ridge wavelength map
313 RWF EFS ridge wavelength map format
314 TRV EFS tonal reversal
315 PLR EFS possible lateral reversal
316 FQM EFS friction ridge quality metric
317 PGS EFS possible growth or shrinkage
320 COR EFS cores
321 DEL EFS deltas
322 CDR EFS core-delta ridge counts
323 CPR EFS centre point of reference
324 DIS EFS distinctive features
325 NCOR EFS no cores present
326 NDEL EFS no deltas present
327 NDIS EFS no distinctive features present
331 MIN EFS minutiae
332 MRA EFS minutiae ridge count algorithm
333 MRC EFS minutiae ridge counts
334 NMIN EFS no minutiae present
335 RCC EFS minutiae ridge count confidence
340 DOT EFS dots
341 INR EFS incipient ridges
342 CLD EFS creases and linear discontinuities
343 REF EFS ridge edge features
344 NPOR EFS no pores present
345 POR EFS pores
346 NDOT EFS no dots present
347 NINR EFS no incipient ridges present
348 NCLD EFS no creases present
349 NREF EFS no ridge edge features present
350 MFD EFS method of feature detection
351 COM EFS comments
352 LPM EFS latent processing method
353 EAA EFS examiner analysis assessment
354 EOF EFS evidence of fraud
355 LSB EFS latent substrate
356 LMT EFS latent matrix
357 LQI EFS local quality issues
360 AOC EFS area of correspondence
361 CPF EFS corresponding points or features
362 ECD EFS examiner comparison determination
363 RRC EFS relative rotation of corresponding print
372 SIM EFS skeletonised image
373 RPS EFS ridge path segments
380 TPL EFS temporary lines
381 FCC EFS feature colour and comments
901 ULA Universal latent annotation
"""
    + _TAIL,
    10: """
3 IMT Image type
5 PHD Photo capture date
12 CSP Colour space
13 SAP Subject acquisition profile
14 FIP Face image bounding box coordinates in full image
15 FPFI Face image path coordinates in full image
16 SHPS Scanned horizontal pixel scale
17 SVPS Scanned vertical pixel scale
18 DIST Distortion
19 LAF Lighting artefacts
20 POS Subject pose
21 POA Pose offset angle
22 PXS Photo description
23 PAS Photo acquisition source
24 SQS Subject quality score
25 SPA Subject pose angles
26 SXS Subject facial description
27 SEC Subject eye colour
28 SHC Subject hair colour
29 FFP 2D facial feature points
30 DMM Device monitoring mode
31 TMC Tiered markup collection
32 3DF 3D facial feature points
33 FEC Feature contours
34 ICDR Image capture date range estimate
38 COM Comment
39 T10 Type-10 reference number
40 SMT NCIC SMT code
41 SMS SMT size
42 SMD SMT descriptors
43 COL Tattoo colour
44 ITX Image transform
45 OCC Occlusions
48 PID Suspected patterned injury detail
49 CID Cheiloscopic image data
50 VID Dental visual image data information
51 RSP Ruler or scale presence
992 T2C Type-2 record cross reference
"""
    + _IMAGE
    + _TAIL,
    13: """
3 IMP Impression type
5 LCD Latent capture date
12 BPX Bits per pixel
13 FGP Friction ridge generalised position
14 SPD Search position descriptors
15 PPC Print position coordinates
16 SHPS Scanned horizontal pixel scale
17 SVPS Scanned vertical pixel scale
18 RSP Ruler or scale presence
19 REM Resolution method
20 COM Comment
24 LQM Latent quality metric
"""
    + _IMAGE
    + _TAIL,
    14: """
3 IMP Impression type
5 FCD Fingerprint capture date
12 BPX Bits per pixel
13 FGP Friction ridge generalised position
14 PPD Print position descriptors
15 PPC Print position coordinates
16 SHPS Scanned horizontal pixel scale
17 SVPS Scanned vertical pixel scale
18 AMP Amputated or bandaged
20 COM Comment
21 SEG Finger segment position
22 NQM NIST quality metric
23 SQM Segmentation quality metric
24 FQM Fingerprint quality metric
25 ASEG Alternate finger segment position
26 SCF Simultaneous capture
27 SIF Stitched image flag
30 DMM Device monitoring mode
31 FAP Subject acquisition profile, fingerprint
"""
    + _IMAGE
    + _TAIL,
    15: """
3 IMP Impression type
5 PCD Palm print capture date
12 BPX Bits per pixel
13 FGP Friction ridge generalised position
16 SHPS Scanned horizontal pixel scale
17 SVPS Scanned vertical pixel scale
18 AMP Amputated or bandaged
20 COM Comment
21 SEG Palm segment position
24 PQM Palm quality metric
30 DMM Device monitoring mode
31 PAP Subject acquisition profile, palm
"""
    + _IMAGE
    + _TAIL,
    16: """
3 UDI User-defined image type
5 UTD User-defined image test capture date
12 BPX Bits per pixel
13 CSP Colour space
16 SHPS Scanned horizontal pixel scale
17 SVPS Scanned vertical pixel scale
20 COM Comment
24 UQS User-defined image quality score
30 DMM Device monitoring mode
"""
    + _IMAGE
    + _TAIL,
    17: """
3 ELR Eye label
5 ICD Iris capture date
12 BPX Bits per pixel
13 CSP Colour space
14 RAE Rotation angle of eye
15 RAU Rotation uncertainty
16 IPC Image property code
17 DUI Device unique identifier
18 GUI Global unique identifier
19 MMS Make, model and serial number
20 ECL Eye colour
21 COM Comment
22 SHPS Scanned horizontal pixel scale
23 SVPS Scanned vertical pixel scale
24 IQS Image quality score
25 EAS Effective acquisition spectrum
26 IRD Iris diameter
27 SSV Specified spectrum values
28 DME Damaged or missing eye
30 DMM Device monitoring mode
31 IAP Subject acquisition profile, iris
32 ISF Iris storage format
33 IPB Iris pupil boundary
34 ISB Iris sclera boundary
35 UEB Upper eyelid boundary
36 LEB Lower eyelid boundary
37 NEO Non-eyelid occlusions
40 RAN Range
41 GAZ Frontal gaze
"""
    + _IMAGE
    + _TAIL,
    18: """
3 DLS DNA laboratory setting
4 SRC Source agency
5 NAL Number of analyses flag
6 SDI Sample donor information
7 COPR Claimed or purported relationship
8 VRS Validated relationship
9 PED Pedigree information
10 STY Sample type
11 STI Sample typing information
12 SCM Sample collection method
13 SCD Sample collection date
14 PSD Profile storage date
15 DPD DNA profile data
16 STR Autosomal, X and Y short tandem repeats
17 DMD Mitochondrial DNA data
18 UDP User-defined profile data
19 EPD Electropherogram description
20 EGP Electropherogram ladder
21 DGD DNA genotype distribution
22 GAP DNA genotype allele pair
23 COM Comment
"""
    + _TAIL,
    98: """
3 DFO Information assurance format owner
4 SRC Source agency
5 DFT Information assurance format type
6 DCD Data creation date
900 ALF Audit log
901 ARN Audit revision number
"""
    + _TAIL,
    99: """
4 SRC Source agency
5 BCD Biometric creation date
100 HDV CBEFF header version
101 BTY Biometric type
102 BDQ Biometric data quality
103 BFO Biometric data block format owner
104 BFT Biometric data block format type
"""
    + _TAIL,
}
_BINARY = """
1 LEN Record length
2 IDC Information designation character
3 IMP Impression type
4 FGP Finger position
5 ISR Image scanning resolution
6 HLL Horizontal line length
7 VLL Vertical line length
8 CGA Compression algorithm
9 DATA Image data
"""
_SIGNATURE = """
1 LEN Record length
2 IDC Information designation character
3 SIG Signature type
4 SRT Signature representation type
5 ISR Image scanning resolution
6 HLL Horizontal line length
7 VLL Vertical line length
8 DATA Signature image data
"""


@cache
def _table(kind: int) -> dict[int, tuple[str, str]]:
    if kind in (3, 4, 5, 6, 7):
        text = _BINARY
    elif kind == 8:
        text = _SIGNATURE
    else:
        text = _HEAD + _FIELDS.get(kind, _TAIL)
    table: dict[int, tuple[str, str]] = {}
    for line in text.split("\n"):
        if line:
            number, mnemonic, name = line.split(" ", 2)
            table[int(number)] = (mnemonic, name)
    return table


def field_name(kind: int, number: int) -> tuple[str, str]:
    """Mnemonic and name of a field; empty strings when the standard gives none.

    >>> field_name(14, 13)
    ('FGP', 'Friction ridge generalised position')
    """
    return _table(kind).get(number, ("", ""))
