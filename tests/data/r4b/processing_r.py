"""A processor as R-4B's, in the style of transformers 4: it names its parts, and puts the images' tokens in itself.

Of several images in a text each has the tokens of the whole of it alone; of a single one its parts have theirs too.
"""

from transformers import BatchFeature, ProcessorMixin
from transformers.image_processing_utils import select_best_resolution


class RProcessor(ProcessorMixin):
    attributes = ["image_processor", "tokenizer"]  # noqa: RUF012
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"
    valid_kwargs = ["chat_template", "num_image_tokens", "image_token"]  # noqa: RUF012

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        num_image_tokens=None,
        chat_template=None,
        image_token="<image>",
        **kwargs,
    ):
        self.num_image_tokens = num_image_tokens
        self.image_token = image_token
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def __call__(self, images=None, text=None, return_tensors=None, **kwargs):
        text = [text] if isinstance(text, str) else list(text)
        seen = {}
        if images is not None:
            seen = dict(self.image_processor(images, return_tensors=return_tensors))
            text = self.expanded(text, iter(seen["image_sizes"]))
        return BatchFeature({**self.tokenizer(text, return_tensors=return_tensors, **kwargs), **seen})

    def expanded(self, texts, sizes):
        found = []
        for text in texts:
            parts = text.split(self.image_token)
            counts = [self.tokens(next(sizes), alone=len(parts) == 2) for _ in parts[1:]]
            joined = (self.image_token * count + part for count, part in zip(counts, parts[1:], strict=True))
            found.append(parts[0] + "".join(joined))
        return found

    def tokens(self, size, alone):
        if not alone:
            return self.num_image_tokens + 1
        height, width = (int(side) for side in size)
        rows, columns = select_best_resolution([height, width], self.image_processor.image_grid_pinpoints)
        side = self.image_processor.size["height"]
        across = int(self.num_image_tokens**0.5)
        rows, columns = across * rows // side, across * columns // side
        if width / height > columns / rows:
            rows -= (rows - round(height * (columns / width), 7)) // 2 * 2
        else:
            columns -= (columns - round(width * (rows / height), 7)) // 2 * 2
        return self.num_image_tokens + int(rows * columns + rows)
