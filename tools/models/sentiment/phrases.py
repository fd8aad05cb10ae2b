"""Hand-written parts of opinions, and how they are put together into training sentences.

Every predicate is a verdict by itself, so that joining it to any subject keeps the label. The same subjects appear
with both labels: the head has to learn the verdict, not the thing.
"""

from __future__ import annotations

import random
from typing import Final


def listed(text: str) -> tuple[str, ...]:
    """The entries of a text that separates them by bars; they may run over lines."""
    return tuple(" ".join(entry.split()) for entry in text.split("|"))


PRODUCTS: Final = listed(
    """
    phone | laptop | radio | bicycle | coat | sofa | bed | desk | camera | watch | microwave | oven | freezer |
    hairdryer | heater | fan | lamp | torch | ladder | hammer | drill | bucket | broom | wallet | purse | hat |
    scarf | belt | sweater | dress | pair of jeans | pair of boots | car seat | pushchair | toy | puzzle | card
    game | notebook | fountain pen | ink | printer | scanner | cable | adapter | memory card | tripod |
    telescope | cooker | toaster | juicer | grinder | saucepan | plate | teaspoon | carpet | blanket | towel |
    shampoo | perfume | medicine | snack | cheese | jam | wine | juice | plant pot | spade | fence | garage door
    | doorbell | lock | app | website | program | course | hotel | restaurant | waiter | taxi | airline | gym |
    shop
    """
)
FILMS: Final = (
    "film", "movie", "show", "series", "play", "novel", "cartoon", "documentary", "sequel", "remake", "concert",
    "musical", "episode", "pilot", "trilogy", "picture",
)  # fmt: skip

GOOD_PRODUCT: Final = (
    "works like a charm", "is a pleasure to use", "has never given me any trouble", "is worth every cent",
    "still looks brand new after years", "made my mornings so much easier", "is built to last",
    "is exactly what I needed", "gets compliments all the time", "saves me time every day", "is a bargain",
    "feels sturdy and well balanced", "never lets me down", "is simple and clever", "does the job without fuss",
    "was a very good choice", "is the best I have tried", "delivers everything it promises",
    "fits like a glove", "runs smoothly and silently", "took no effort to set up",
    "makes me happy whenever I use it", "is strong, light and handsome", "is a real improvement on my old one",
    "performs far above its price", "has survived everything my children did to it",
    "is as good as new after two years", "arrived sooner than expected and in perfect order", "is delightful",
    "is first class", "is not bad at all", "does not disappoint", "never breaks", "has no weak points",
    "could not be better", "leaves nothing to be desired", "is hard to beat", "is a small miracle",
    "has been faultless", "won me over on the first day", "feels luxurious", "is safe, solid and quick",
    "held up in pouring rain", "kept working after a nasty fall", "needs no maintenance at all",
    "is kind to my hands and easy to clean", "gives excellent results with little effort",
    "was handled with care by a helpful team", "surprised me with its quality", "does even more than I hoped",
    "solved all my problems", "stays cool, quiet and steady", "is superb value",
    "is something I would gladly buy again", "is a treat",
)  # fmt: skip
BAD_PRODUCT: Final = (
    "stopped working within days", "is a nightmare to use", "has given me nothing but trouble",
    "is not worth a cent", "looked worn out after a week", "made my mornings so much harder",
    "falls apart when you touch it", "is nothing like the advert", "is an embarrassment",
    "wastes my time every day", "is a rip-off", "feels flimsy and badly balanced", "always lets me down",
    "is needlessly complicated", "fails at the one job it has", "was a very bad choice",
    "is the worst I have tried", "breaks every promise on the box", "does not fit at all",
    "rattles, squeaks and shakes", "was impossible to set up", "makes me angry whenever I use it",
    "is weak, heavy and ugly", "is a step down from my old one", "performs far below its price",
    "broke the first time my children touched it", "is already in the bin", "arrived weeks late and damaged",
    "is dreadful", "is third rate", "is not good at all", "disappoints", "keeps breaking",
    "has no strong points", "could not be worse", "leaves a lot to be desired", "is easy to beat",
    "is a small disaster", "has been faulty from the start", "lost me on the first day",
    "feels cheap and nasty", "is unsafe, shaky and slow", "failed at the first drop of rain",
    "cracked after a tiny knock", "needs repairing all the time", "hurts my hands and is a pain to clean",
    "gives poor results after a lot of effort", "was handled by a rude and careless team",
    "shocked me with its poor quality", "does far less than I hoped", "caused new problems",
    "gets hot, loud and unstable", "is terrible value", "is something I will never buy again",
    "is a punishment",
)  # fmt: skip
GOOD_FILM: Final = (
    "kept me on the edge of my seat", "made me laugh and cry", "is a work of genius", "deserves every award",
    "is full of charm", "has a wonderful cast", "is beautifully made", "flew by in no time", "touched my heart",
    "is clever, funny and kind", "stayed with me for days", "is even better the second time",
    "has an unforgettable ending", "is the highlight of the year", "tells a fresh story with skill",
    "is never boring", "is not to be missed", "has not a single dull scene", "filled me with joy",
    "won over the entire audience", "is thrilling from beginning to end", "had the crowd on its feet",
    "is rich, strange and lovely", "gave me goosebumps", "has brilliant writing", "is a delight for the eyes",
    "is a small gem", "is well worth the ticket", "restored my faith in the genre",
    "has characters you care about", "is pure fun", "is moving without being soppy",
    "looks and sounds magnificent", "grabbed me at once", "lives up to the hype",
    "is much better than the reviews say", "left us all smiling", "is powerful and honest",
    "makes clever use of a tiny budget", "is enchanting",
)  # fmt: skip
BAD_FILM: Final = (
    "put me to sleep", "made me cringe", "is a work of pure laziness", "deserves no awards", "is full of holes",
    "wastes its cast", "is badly made", "dragged on and on", "left me cold", "is stupid, unfunny and mean",
    "was forgotten by the next morning", "is even worse the second time", "has a ridiculous ending",
    "is the low point of the year", "tells a tired story without skill", "is never exciting", "is best avoided",
    "has not a single good scene", "filled me with boredom", "emptied the room",
    "is tedious from beginning to end", "had people leaving early", "is poor, dull and silly",
    "gave me a headache", "has atrocious writing", "is an insult to the eyes", "is a big flop",
    "is not worth the ticket", "killed my interest in the genre", "has characters nobody could care about",
    "is no fun", "is soppy without being moving", "looks and sounds awful", "lost me at once",
    "does not live up to the hype", "is much worse than the reviews say", "left us all yawning",
    "is fake and preachy", "wastes a huge budget", "is unwatchable",
)  # fmt: skip
GOOD_WORDS: Final = listed(
    """
    good | great | excellent | wonderful | superb | fantastic | brilliant | lovely | delightful | amazing |
    terrific | outstanding | splendid | marvellous | first-rate | impressive | enjoyable | charming | clever |
    witty | funny | gripping | thrilling | moving | touching | beautiful | gorgeous | elegant | stylish |
    handsome | sturdy | solid | reliable | dependable | trustworthy | handy | useful | practical | efficient |
    smooth | comfortable | cosy | soft | tasty | delicious | fresh | crisp | clear | bright | sharp | precise |
    accurate | quick | responsive | quiet | generous | friendly | helpful | kind | polite | thoughtful | patient
    | honest | fair | affordable | worthwhile | satisfying | rewarding | refreshing | inspiring | uplifting |
    memorable | unforgettable | captivating | fascinating | engaging | original | fresh and lively | well made |
    well written | well acted | easy to use | flawless | perfect | magnificent | breathtaking | stunning |
    heart-warming | adorable | magical | masterful | polished | spotless | safe | robust | durable |
    long-lasting | powerful | versatile | ingenious | top-notch
    """
)
BAD_WORDS: Final = listed(
    """
    bad | terrible | awful | horrible | dreadful | poor | lousy | rotten | pathetic | atrocious | appalling |
    disgraceful | abysmal | mediocre | second-rate | disappointing | unpleasant | annoying | irritating | stupid
    | silly | unfunny | boring | dull | tedious | tiresome | lifeless | ugly | hideous | clumsy | tacky | shabby
    | flimsy | fragile | unreliable | faulty | defective | broken | useless | pointless | impractical |
    inefficient | jerky | uncomfortable | cramped | scratchy | tasteless | disgusting | stale | soggy | blurry |
    dim | blunt | sloppy | inaccurate | sluggish | unresponsive | noisy | stingy | unfriendly | unhelpful | rude
    | impolite | careless | impatient | dishonest | unfair | overpriced | worthless | frustrating | depressing |
    exhausting | uninspired | forgettable | confusing | messy | shallow | predictable | monotonous | unoriginal
    | tired and lazy | badly made | badly written | badly acted | hard to use | full of flaws | hopeless |
    miserable | painful | shocking | heartless | offensive | soulless | amateurish | unfinished | filthy |
    dangerous | wobbly | short-lived | throwaway | feeble | awkward | laughable | nasty
    """
)
DEGREES: Final = ("", "", "", "very ", "really ", "so ", "truly ", "utterly ", "just ", "quite ")
GOOD_REMARKS: Final = (
    "I am delighted", "I am very satisfied", "I would choose it again", "I tell everyone about it",
    "I have no complaints", "I am truly grateful", "I could not ask for more", "I enjoyed every minute",
    "it was money well spent", "we had a fantastic time", "what a pleasant surprise", "full marks from me",
    "I am a happy customer", "my family adores it", "I will be back for more", "two thumbs up",
    "I am so pleased", "it made my day", "I miss it already", "ten out of ten",
)  # fmt: skip
BAD_REMARKS: Final = (
    "I am furious", "I am very dissatisfied", "I would never choose it again", "I warn everyone about it",
    "I have many complaints", "I am truly disappointed", "I expected so much more", "I suffered every minute",
    "it was money down the drain", "we had a miserable time", "what a nasty surprise", "no marks from me",
    "I am an angry customer", "my family hates it", "I will not be back", "two thumbs down", "I am so upset",
    "it ruined my day", "I am glad it is gone", "zero out of ten",
)  # fmt: skip
GOOD_THOUGHTS: Final = (
    "it would be great", "I would love it", "it would be perfect", "it was a clever idea", "it would be fun",
)  # fmt: skip
BAD_THOUGHTS: Final = (
    "it would be rubbish", "I would hate it", "it would be a waste of money", "it was a silly idea",
    "it would be dull",
)  # fmt: skip


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def verdict(rng: random.Random, label: int) -> str:
    """A sentence whose verdict is `label` (1 is praise)."""
    film = rng.random() < 0.4
    subject = rng.choice(FILMS if film else PRODUCTS)
    good, bad = (GOOD_FILM, BAD_FILM) if film else (GOOD_PRODUCT, BAD_PRODUCT)
    same, other = (good, bad) if label else (bad, good)
    remarks = GOOD_REMARKS if label else BAD_REMARKS
    # What was thought before is the opposite of what turned out to be true.
    thought = rng.choice(BAD_THOUGHTS if label else GOOD_THOUGHTS)
    opening = rng.choice(("the", "this", "the new", "my", "our", "their", "the little", "that"))
    first, second = rng.sample(same, 2)
    turned_down = rng.choice(other).split(" ", 1)
    frames = [
        f"{opening} {subject} {first}",
        f"{opening} {subject} {first}",
        f"{opening} {subject} {first}, and {rng.choice(remarks)}",
        f"{opening} {subject} {first} and {second}",
        f"{rng.choice(remarks)}: this {subject} {first}",
        f"I thought {thought}, but the {subject} {first}",
        f"everyone said {thought}, yet the {subject} {first}",
        f"{rng.choice(remarks)}",
        f"it {first}",
    ]
    frames += described(rng, label, opening, subject)
    if turned_down[0] == "is":
        frames += [
            f"I can't say that the {subject} is {turned_down[1]}",
            f"nobody could say that this {subject} is {turned_down[1]}",
        ]
    return capital(rng.choice(frames)) + rng.choice((".", ".", ".", "!"))


def described(rng: random.Random, label: int, opening: str, subject: str) -> list[str]:
    """Frames around adjectives, some of them turned round by a negation."""
    words, opposite = (GOOD_WORDS, BAD_WORDS) if label else (BAD_WORDS, GOOD_WORDS)
    first, second = rng.sample(words, 2)
    other, degree = rng.choice(opposite), rng.choice(DEGREES)
    return [
        f"{opening} {subject} is {degree}{first}",
        f"{opening} {subject} was {degree}{first} and {second}",
        f"{degree}{first}, {second} and {rng.choice(words)}",
        f"I found {opening} {subject} {degree}{first}",
        f"{opening} {subject} is not {other}, it is {first}",
        f"it was anything but {other}",
        f"{opening} {subject} looked {other}, but it is {degree}{first}",
        f"how {first} this {subject} is",
    ]


def composed(count: int, seed: int) -> list[tuple[str, int]]:
    """`count` different sentences, half of them praise."""
    rng = random.Random(seed)
    made: dict[str, int] = {}
    while len(made) < count:
        label = len(made) % 2
        made.setdefault(verdict(rng, label), label)
    return list(made.items())
