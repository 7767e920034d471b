"""Every chosen number of the face pipeline, in one place, with its reason."""

from typing import Final

SCORE_THRESHOLD: Final = 0.6
"""Detection score (0 to 1) from which YuNet's answer counts as a face (OpenCV Zoo's demo
uses 0.9; 0.6 finds small and turned faces, and a bad one is told by its quality)."""

RESCUE_SCORE_THRESHOLD: Final = 0.5
"""Lower detection score while a picture is being turned to find an upright face."""

NMS_OVERLAP: Final = 0.3
"""Boxes that overlap more (intersection over union) are one face; OpenCV's default."""

COARSE_SIDE: Final = 640
"""Longest side for large faces: YuNet truncates faces of more than about 500 pixels."""

FINE_SIDE: Final = 1280
"""Longest side for small faces; larger pictures are reduced to it."""

SMALL_PICTURE: Final = 800
"""Pictures up to this longest side are searched once, as they are."""

STRIDES: Final = (8, 16, 32)
"""YuNet's output strides in pixels."""

HALFTONE_BLUR: Final = 1.5
"""Standard deviation in pixels of the smoothing that turns the dots of a black-and-white picture
into grey: a portrait of 512 pixels so dithered then has a cosine of 0.84 to the original."""

DECODED_RATIO: Final = 2.0
"""Pictures are reduced to this times the longest side that is searched, so that chips of small
faces keep detail beyond detection."""

ALIGNER_VERSION: Final = 1
"""Part of every template: raised when chips are cut in another way."""

FUSED_WEIGHT: Final = 1.5
"""Weight of dlib's unit vector beside SFace's in the ``high`` model set."""

ROLL_LIMIT: Final = 4.0
"""A face whose eye line leans more (degrees) is turned upright and detected again. YuNet's
landmarks lean only about half as much as the face, so 4 stands for about 8 degrees; most
portraits lean less."""

FINE_ROLL_LIMIT: Final = 3.0
"""The same for a face that has been turned already."""

ROLL_GAIN: Final = 1.7
"""Degrees to turn for each degree of the landmarks' lean."""

STRAIGHT_ROUNDS: Final = 3
"""Times that this is repeated at most."""

SAME_PLACE: Final = 0.35
"""A face that is detected again in a turned picture lies within this times its first box's longer
side of where it was; of 1,782 portraits no right one moved by more than 0.07."""

RESCUE_QUALITY: Final = 80.0
"""Trigger of the rotation rescue: quality of the most prominent face. Below are about 3 % of
portraits and nearly all faces that are wrongly landmarked."""

LOST_QUALITY: Final = 50.0
"""Quality below which the face may be in any orientation. Of 1,111 faces that were found more
than 45 degrees off (turned, blurred and reduced portraits) none reached it."""

LEANING_TURNS: Final = ((180.0,), (45.0, 315.0))
"""Degrees at which a picture is searched, in rounds, when the face is bad but not lost. On its
head first: eyes and mouth change places, the one wrong orientation that detector and recogniser
may take for a middling face."""

RESCUED_QUALITY: Final = 95.0
"""Quality that ends a rescue after its first round: a face that was wrongly landmarked seldom
reaches it."""

RESCUE_OVERLAP: Final = 0.5
"""Shared area over the smaller box from which faces of a rescue are one face."""

RESCUE_TURNS: Final = ((90.0, 180.0, 270.0), (45.0, 135.0, 225.0, 315.0))
"""Degrees at which a picture is searched when the face is lost, in two rounds."""

RESCUE_FACES: Final = 8
"""Faces a round that are embedded to tell which orientation is right."""

QUALITY_CHIP: Final = "arcface-112"
"""Chip template on which the measures of quality are taken."""

REJECT_QUALITY: Final = 50.0
"""Quality below which the enrolment policy ``reject`` leaves a face out: a mate would more
probably be missed than found."""

INFINITE: Final = float("inf")

QUALITY_LIMITS: Final = (
    ("value", 75.0, INFINITE, "the face is hard to recognise (quality {:.0f} of 100)"),
    ("inter_eye", 24.0, INFINITE, "the face is small ({:.0f} pixels between the eyes)"),
    ("sharpness", 6.0, INFINITE, "the face is blurred (sharpness {:.1f})"),
    ("missing", 0.0, 0.05, "the face is cut by the picture's edge ({:.0%} of it is missing)"),
    ("brightness", 50.0, INFINITE, "the face is dark (mean luma {:.0f} of 255)"),
    ("brightness", 0.0, 215.0, "the face is overexposed (mean luma {:.0f} of 255)"),
    ("contrast", 16.0, INFINITE, "the face has little contrast (standard deviation {:.0f})"),
    ("clipped", 0.0, 0.25, "much of the face is pure black or white ({:.0%})"),
    ("yaw", -35.0, 35.0, "the head is turned to the side (about {:.0f} degrees)"),
    ("pitch", -30.0, 30.0, "the head is tilted up or down (about {:.0f} degrees)"),
    ("roll", -30.0, 30.0, "the head leans (about {:.0f} degrees)"),
    ("texture_eyes", 0.6, INFINITE, "an eye may be covered (texture {:.2f} of the face's)"),
    ("texture_mouth", 0.4, INFINITE, "the mouth may be covered (texture {:.2f} of the face's)"),
)
"""Measure, least and greatest good value, and the sentence when it is outside.

Limits are about the worst 1 to 2 % of portrait photographs (none of 1,782 is cut); inter-eye
24 pixels is where the chip of 112 pixels (35 between the eyes) must be enlarged by half.
"""

SURROUNDINGS: Final = 1.1
"""Half side, in box sizes, of the square around a face that is turned and searched again."""

STRAIGHT_SIDE: Final = 320
"""Longest side to which those surroundings are reduced."""
