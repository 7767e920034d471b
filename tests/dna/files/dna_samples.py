"""Small documents of every format, written for these tests."""

LONG = """SampleName,Marker,Allele1,Allele2,Allele3,Height1,Height2,Height3
stain,D3S1358,14,15,17,310,290,88
stain,TH01,6,9.3,,120,133,
stain,AMEL,X,Y,,500,480,
suspect,D3S1358,14,15,,,,
suspect,TH01,9.3,9.3,,,,
"""

WIDE = """SampleName;TH01;vWA;AMEL
P1;6/9.3;17;X
P2;9.3;14/16;X/Y
"""

SMARTRANK = """specimenId,TH01_1,TH01_2,TH01_3,vWA_1,vWA_2,vWA_3
A#1,6,9.3,NULL,17,17,NULL
B#2,NULL,NULL,NULL,14,15,16
"""

GENEMAPPER = (
    "Sample File\tSample Name\tTH01\tHeight\tvWA\tHeight\n"
    "1.fsa\tS1\t6, 9.3, , , \t101, 99, , , \t17, , , , \t220, , , , \n"
    "2.fsa\tS2\t9.3, OL, , , \t101, 12, , , \t14, 16, , , \t22, 23, , , \n"
)

CMF = """<?xml version="1.0" encoding="UTF-8"?>
<CODISImportFile xmlns="urn:CODISImportFile-schema">
  <HEADERVERSION>3.2</HEADERVERSION>
  <MESSAGETYPE>Import</MESSAGETYPE>
  <DESTINATIONORI>TEST00001</DESTINATIONORI>
  <SOURCELAB>TESTLAB</SOURCELAB>
  <SUBMITBYUSERID>analyst</SUBMITBYUSERID>
  <SUBMITDATETIME>2024-05-06T07:08:09</SUBMITDATETIME>
  <BATCHID>B-7</BATCHID>
  <KIT>PowerPlex 16</KIT>
  <SPECIMEN SOURCEID="Yes" CASEID="C-1" PARTIAL="true">
    <SPECIMENID>S-1</SPECIMENID>
    <SPECIMENCATEGORY>Forensic Mixture</SPECIMENCATEGORY>
    <SPECIMENCOMMENT>off-ladder at FGA &amp; more</SPECIMENCOMMENT>
    <LOCUS BATCHID="B-8" KIT="PowerPlex 1.2">
      <LOCUSNAME>CSF1PO</LOCUSNAME>
      <READINGBY>analyst</READINGBY>
      <READINGDATETIME>2024-05-05T01:02:03</READINGDATETIME>
      <ALLELE><ALLELEVALUE>&lt;6</ALLELEVALUE></ALLELE>
      <ALLELE ALLELEREQUIRED="true"><ALLELEVALUE>10</ALLELEVALUE></ALLELE>
      <ALLELE><ALLELEVALUE>11.1</ALLELEVALUE></ALLELE>
    </LOCUS>
    <LOCUS>
      <LOCUSNAME>Penta D</LOCUSNAME>
      <READINGBY>analyst</READINGBY>
      <READINGDATETIME>2024-05-05T01:02:03</READINGDATETIME>
      <ALLELE><ALLELEVALUE>9</ALLELEVALUE></ALLELE>
    </LOCUS>
  </SPECIMEN>
  <SPECIMEN>
    <SPECIMENID>S-2</SPECIMENID>
    <SPECIMENCATEGORY>Convicted Offender</SPECIMENCATEGORY>
    <LOCUS>
      <LOCUSNAME>TH01</LOCUSNAME>
      <READINGBY>analyst</READINGBY>
      <READINGDATETIME>2024-05-05T01:02:03Z</READINGDATETIME>
      <ALLELE><ALLELEVALUE>6</ALLELEVALUE></ALLELE>
      <ALLELE><ALLELEVALUE>9.3</ALLELEVALUE></ALLELE>
    </LOCUS>
  </SPECIMEN>
</CODISImportFile>
"""

RAPID = """<?xml version="1.0" encoding="UTF-8"?>
<CODISRapidImportFile xmlns="urn:CODISRapidImportFile-schema">
  <HEADER>
    <MESSAGEVERSION>1.0</MESSAGEVERSION>
    <MESSAGETYPE>Rapid Import</MESSAGETYPE>
    <MESSAGEID>12</MESSAGEID>
    <MESSAGEDATETIME>2024-05-06T07:08:09</MESSAGEDATETIME>
    <MSGCREATORUSERID>booking</MSGCREATORUSERID>
    <DESTINATIONORI>TEST00001</DESTINATIONORI>
    <SOURCEORI>TEST00002</SOURCEORI>
  </HEADER>
  <DEVICE>
    <INSTRUMENTID>R-1</INSTRUMENTID>
    <MODEL>two</MODEL>
  </DEVICE>
  <SPECIMEN>
    <SPECIMENID>R-0001</SPECIMENID>
    <SPECIMENCATEGORY>Arrestee</SPECIMENCATEGORY>
    <SID>XX1</SID>
    <UNIQUEEVENTID>20240506-1</UNIQUEEVENTID>
    <FINGERPRINTDATE>2024-05-06T06:00:00</FINGERPRINTDATE>
    <ARRESTOFFENSECATEGORY>Burglary</ARRESTOFFENSECATEGORY>
    <SPECIMENCOMMENT>none</SPECIMENCOMMENT>
    <LOCUS>
      <LOCUSNAME>Yindel</LOCUSNAME>
      <KIT>GlobalFiler Express</KIT>
      <BATCHID>CT-1</BATCHID>
      <ALLELE><ALLELEVALUE>2</ALLELEVALUE></ALLELE>
    </LOCUS>
    <LOCUS>
      <LOCUSNAME>FGA</LOCUSNAME>
      <ALLELE><ALLELEVALUE>20</ALLELEVALUE></ALLELE>
      <ALLELE><ALLELEVALUE>24</ALLELEVALUE></ALLELE>
    </LOCUS>
  </SPECIMEN>
</CODISRapidImportFile>
"""

NIEM = """<?xml version="1.0" encoding="UTF-8"?>
<x:Envelope xmlns:x="urn:test" xmlns:b="http://release.niem.gov/niem/domains/biometrics/5.1/"
  xmlns:nc="http://release.niem.gov/niem/niem-core/5.0/"
  xmlns:structures="http://release.niem.gov/niem/structures/5.0/">
  <b:DNARecord>
    <b:DNACategoryCode>Forensic</b:DNACategoryCode>
    <b:DNADataIdentification>
      <nc:IdentificationID>CASE-9</nc:IdentificationID>
      <nc:IdentificationCategoryDescriptionText>Case ID</nc:IdentificationCategoryDescriptionText>
    </b:DNADataIdentification>
    <b:DNADataIdentification>
      <nc:IdentificationID>PROFILE-1</nc:IdentificationID>
      <nc:IdentificationCategoryDescriptionText
      >DNA Profile ID</nc:IdentificationCategoryDescriptionText>
    </b:DNADataIdentification>
    <b:DNAEncoding><b:DNASTRData>
      <b:DNALocus>
        <b:DNALocusName>D8S1179</b:DNALocusName>
        <b:DNAAllele><b:DNAAlleleCall1Text>10</b:DNAAlleleCall1Text></b:DNAAllele>
        <b:DNAAllele>
          <b:DNAAlleleCall1Text>12</b:DNAAlleleCall1Text>
          <b:DNAAlleleRequiredIndicator>true</b:DNAAlleleRequiredIndicator>
        </b:DNAAllele>
        <b:DNAAllele>
          <b:DNAAlleleOperatorCode>Greater Than</b:DNAAlleleOperatorCode>
          <b:DNAAlleleCall1Text>18</b:DNAAlleleCall1Text>
        </b:DNAAllele>
      </b:DNALocus>
    </b:DNASTRData></b:DNAEncoding>
  </b:DNARecord>
  <b:Pedigree>
    <b:PedigreeIdentification>
      <nc:IdentificationID>FAM</nc:IdentificationID>
    </b:PedigreeIdentification>
    <b:PedigreeMember structures:id="p1">
      <b:PedigreeMemberIdentification>
        <nc:IdentificationID>PROFILE-1</nc:IdentificationID>
      </b:PedigreeMemberIdentification>
      <nc:PersonSexText>Female</nc:PersonSexText>
    </b:PedigreeMember>
    <b:PedigreeMember structures:id="p2">
      <nc:PersonSexText>Male</nc:PersonSexText>
      <b:PedigreeMotherIdentification structures:metadata="p1"/>
    </b:PedigreeMember>
  </b:Pedigree>
</x:Envelope>
"""

CRITERIA = """<SmartRankImportFile version="1.0" xmlns="urn:SmartRankImportFile-schema">
  <userid>me</userid>
  <Replicates><Replicate name="E"/></Replicates>
  <Dropin>0.05</Dropin>
  <Theta>0.01</Theta>
  <LrThreshold>500</LrThreshold>
  <RareAlleleFrequency>1.0E-4</RareAlleleFrequency>
  <HP candidateDropout="0.10">
    <Contributors><Contributor name="V" dropout="0.00"/></Contributors>
    <Unknowns count="0" dropout="automatic"/>
  </HP>
  <HD>
    <Contributors><Contributor name="V" dropout="0.00"/></Contributors>
    <Unknowns count="1" dropout="0.20"/>
  </HD>
  <Specimen name="E">
    <Locus name="TH01"><Allele value="6"/><Allele value="7"/><Allele value="9.3"/></Locus>
  </Specimen>
  <Specimen name="V"><Locus name="TH01"><Allele value="6"/><Allele value="6"/></Locus></Specimen>
  <Statistics><Locus name="TH01"><Allele value="6" probability="0.2"/></Locus></Statistics>
</SmartRankImportFile>
"""

STRIDER = """<?xml version="1.0" encoding="UTF-8"?>
<frequencies validity="2020-01-01">
  <marker><name>TH01</name><alleles>6, 9.3</alleles>
    <origin name="NORTH" n="100">
      <frequency allele="6">2.5E-01</frequency><frequency allele="9.3">0.75</frequency>
    </origin>
    <origin name="SOUTH" n="50"><frequency allele="6">1</frequency></origin>
  </marker>
</frequencies>
"""

FAMILIAS = """"Output from Familias, version 3.3.1"
"DO NOT EDIT!"
3.3.1
""
3
"AF"
#FALSE#
-1
#FALSE#
#TRUE#
1
0
1
0
"MO"
#FALSE#
-1
#FALSE#
#FALSE#
0
"CH"
#FALSE#
-1
#FALSE#
#TRUE#
1
1
1
0
"Known relations"
0
0
1
1
2
2
0
"H1"
0
0
1
0
2
1
"H2"
0
1
1
3
2
#FALSE# (#Databases: 1 ;Theta/Kinship/Fst: 0.02 )
1
#TRUE#
"North"
"TH01"
0.001
0.002
1
4
2
0.1
0.1
0.0
1e-006
#FALSE#
0
2\t(DatabaseSize = 1000 , Dropout probability = 0 , Minor allele frequency = 0 )
"6"
0.25
"9.3"
0.75
[DVI]
[[Unidentified persons]]
nPersons= 1
[[[Person 1 ]]]
Name= V1
Gender= Female
[[[[DNA data]]]]
nSystems= 1
SystemName= TH01
Allele1= 6
Allele2= 9.3
[[Reference Families]]
nFamilies= 1
[[[Family 1 ]]]
Name= F1
[[[[Persons]]]]
nPersons= 1
[[[[[Person 1]]]]]
Name= R
Gender= Male
[[[[[[DNA data]]]]]]
nSystems= 1
SystemName= TH01
Allele1= 6
Allele2= 6
[[[[Pedigrees]]]]
nPedigrees= 1
[[[[[Pedigree 1]]]]]
Name= ref
nRelations= 1
Parent= R
Child= Missing person
[Prior]
UseList= No
"""

ALL = {
    "long": LONG,
    "wide": WIDE,
    "smartrank": SMARTRANK,
    "genemapper": GENEMAPPER,
    "cmf": CMF,
    "rapid": RAPID,
    "niem": NIEM,
    "criteria": CRITERIA,
    "familias": FAMILIAS,
}
