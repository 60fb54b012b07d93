"""The diagnoses of notebook 09: for every case, what it may be, and what speaks against each of the others."""

from collections.abc import Sequence

from mini_ddpm.course.exercises.kinds import Choose, Exercise


def _case(number: int, choices: Sequence[tuple[str, str]], why: str, hints: Sequence[str]) -> Exercise:
    """A choice among several; the right one has nothing that speaks against it."""
    letters = "ABCDEF"[: len(choices)]
    listed = "\n".join(f"* **{letter}**: {text}" for letter, (text, _) in zip(letters, choices, strict=True))
    right = next(letter for letter, (_, against) in zip(letters, choices, strict=True) if not against)
    wrong = [(letter, against) for letter, (_, against) in zip(letters, choices, strict=True) if against]
    statement = f"What does case {number} suffer from? One letter, in quotes: `q.check(...)`.\n\n{listed}"
    return Choose(statement, right, f"{right}. {why}", hints, wrong)


TOO_SHORT = (
    "it was trained for too short a time, like many a patient.",
    "Then its loss would lie above the healthy ones. It lies among them: this network has learned as much as "
    "they have.",
)

DIAGNOSES: tuple[Exercise, ...] = (
    _case(
        1,
        (
            (
                "the optimiser moves the weights of another network.",
                "Then the loss in training could not fall. It falls as the healthy one does.",
            ),
            (
                "the average of the weights forgets too fast: it is hardly more than the last weights.",
                "Then the loss at each t would be that of the last weights. By the loss in training these are good.",
            ),
            ("the average of the weights forgets too slowly.", ""),
            (
                "the average is sound, but the sampler that draws with it tells it wrong times.",
                "The loss at each t needs no sampler, and it is bad, too. Look for something that comes before.",
            ),
            (
                "it knows its 4,000 digits by heart, and fails on others.",
                "That would raise the loss on other digits by a little, and it would draw digits. In the middle stands "
                "the loss of a network which answers nearly 0.",
            ),
        ),
        "The two losses contradict each other, so they are of two sets of weights. Those of the moment are good; their "
        "average still holds the first, random ones.",
        (
            "Two panels show a loss. Why does one say that all is well, and the other that nothing was learned?",
            "The weights of the moment are good. Which average of good weights and bad ones could be so bad?",
        ),
    ),
    _case(
        2,
        (
            TOO_SHORT,
            ("while it draws, the network is told a time that it is not at.", ""),
            (
                "the sampler believes in another noise schedule than training did.",
                "Near T every schedule is nothing but noise, so the first guess of the image would be the healthy "
                "one's, a blurred digit. Here it is specks already.",
            ),
            (
                "in training, only small t were drawn.",
                "Then the loss at large t would be high. It is healthy at every t.",
            ),
            (
                "the last step adds noise.",
                "That would put grain on good digits. Here the strokes themselves lead nowhere.",
            ),
        ),
        "Both losses are healthy, so the network is. What is wrong comes after training, and from the first step on. "
        "A wrong schedule would begin soundly: near T every schedule is nothing but noise.",
        (
            "Is the network itself ill? What do the curves say?",
            "How much is left of the digits above? Has the walk gone wrong at its end, or from its first step?",
        ),
    ),
    _case(
        3,
        (
            (
                "the data were loaded with pixels in [0, 1].",
                "Then the network would have learned other pictures, and its losses would not be the healthy ones.",
            ),
            (
                "the last step adds noise.",
                "Noise is grain, here lighter and there darker. This grey is the same everywhere.",
            ),
            (
                "the guess of the image is not clamped.",
                "What lies outside the range is shown as full black or full white, not as grey.",
            ),
            (
                "the noise of every step is not centred on 0.",
                "Then each step would start from a place that the network does not expect, and strokes would move.",
            ),
            ("the digits are drawn well, and shown on the wrong scale.", ""),
        ),
        "The curves are healthy, and the strokes are those of the healthy row. Nothing but the grey differs, so it "
        "came last: when numbers became pixels.",
        (
            "Compare the strokes with those of the row above, one by one.",
            "What can turn every black pixel into the same grey, and leave the strokes as they are?",
        ),
    ),
    _case(
        4,
        (
            (
                "labels and images were mixed up in training.",
                "Then a label would tell the network nothing, and of 200 digits about 20 would be right by chance.",
            ),
            (
                "the sampler does not pass the label on.",
                "Then of 200 digits about 20 would be right by chance. The title counts them.",
            ),
            ("guidance leads away from the label.", ""),
            (
                "the sampler passes on another label: the next one, say.",
                "Then the digits would be as good as the healthy ones, and the lower row would read 1, 2, 3 and so on.",
            ),
        ),
        "The digits look like digits, so the steps are sound. Of 200, chance would get about 20 right. Three seeds "
        "have 1, 0 and 0: somebody knows the label, and avoids it.",
        (
            "The columns ask for 0 to 9. Ten digits prove little: by chance none of ten is right in a third of such "
            "rows. How many are right of 200?",
            "How many of 200 would be right by chance? Fewer than that is knowledge, too.",
        ),
    ),
    _case(
        5,
        (
            (
                "in training, the noise had the wrong size.",
                "Then the losses would differ from the healthy ones.",
            ),
            ("the sampler adds noise where it should add none.", ""),
            (
                "the loss at t = 1 is near 1: the network cannot tell the last noise from the image.",
                "So is the healthy one's, which draws no grain: at t = 1 there is next to no noise, and whatever "
                "is said "
                "about it changes next to nothing.",
            ),
            (
                "the digits are shown on the wrong scale.",
                "A scale treats equal pixels alike. In the black background neighbours differ.",
            ),
            (
                "the noise of every step is not centred on 0.",
                "Then all pixels would go the same way. Grain goes both ways.",
            ),
        ),
        "The curves are healthy and so are the strokes. Grain that no later step takes away can only have come "
        "with the "
        "last one.",
        (
            "Where is the grain best seen? What does the healthy row have there?",
            "Noise that is added early is taken away by later steps. Which noise stays?",
        ),
    ),
    _case(
        6,
        (
            ("the noise that the sampler adds is not centred on 0.", ""),
            (
                "the data were loaded with pixels in [0, 1].",
                "Then the network would have learned other pictures, and its losses would not be the healthy ones.",
            ),
            (
                "the digits are shown on the wrong scale.",
                "A scale changes greys, not shapes. Where the row above has a stroke, is there one here?",
            ),
            (
                "the last step adds noise, as in case 5.",
                "That leaves the strokes as they are, with grain. Here no stroke is left.",
            ),
            (
                "guidance leads away from the label, as in case 4.",
                "Then the lower row would hold other digits. These are none.",
            ),
        ),
        "The network is healthy, so it is the walk. At every step something pushes all pixels the same way, to white, "
        "and a network that has never met so bright an image takes the light for ink.",
        (
            "Healthy curves: which parts of the program are left?",
            "All pixels have gone the same way. What is added to all of them, at every step?",
        ),
    ),
    _case(
        7,
        (
            (
                "the digits are drawn well, and shown on the wrong scale, as in case 3.",
                "The look is that of case 3. But there the curves were healthy. What lies before them both?",
            ),
            (
                "nothing: its loss is lower, so it is the best of all.",
                "Losses may be compared if they ask the same question. What if its pictures are others, and easier?",
            ),
            (
                "the average of the weights remembers too much.",
                "Then the two curves would contradict each other, as in case 1. Both are off here.",
            ),
            ("the network was trained on pixels of another range.", ""),
        ),
        "The digits look as in case 3, but the curves do not: this network has learned other pictures, and "
        "learned them "
        "well. It draws what it was shown.",
        (
            "You have seen this grey before. What is different this time?",
            "The loss is too good. What makes pictures easier to guess?",
        ),
    ),
    _case(
        8,
        (
            (
                "the last step adds noise, as in case 5.",
                "That leaves the strokes as they are. Here they are torn and bent.",
            ),
            (
                "the network is told the place in the chain for the time, as in case 2.",
                "Then it would be told 20 for 1,000, and its first guess of the image would be specks, as there. Here "
                "it is a blurred digit, as the healthy one's.",
            ),
            (
                "in training, the noise had the wrong size.",
                "Then the losses would differ from the healthy ones.",
            ),
            ("the sampler believes in another noise schedule than training did.", ""),
            TOO_SHORT,
        ),
        "Healthy curves once more, and most large shapes are those of the row above, so the first steps are sound. "
        "Later ones are not, and grain is left: sampler and network disagree about how much noise there is, little "
        "near T, where all is noise, and much between.",
        (
            "Compare large shapes with the row above, and with case 2. Has this walk gone wrong from its first step?",
            "What says how much noise there is at t? Where do two such lists agree, whatever they are?",
        ),
    ),
)
