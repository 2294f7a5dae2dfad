/** One form of each emoji, so that the same picture is one kind of reaction however it was typed. */

const SELECTORS = /[\uFE0E\uFE0F]/gu;
// Characters that are text unless U+FE0F follows. One with a skin tone is a picture already, and a digit only as a keycap.
const TEXT = /[#*0-9](?=\u20E3)|(?![#*0-9])(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu;

/** The text as the server stores it: in Unicode's form NFC, with U+FE0F where an emoji needs it to be shown as a picture. */
export function canonical(text: string): string {
  return text.normalize("NFC").replace(SELECTORS, "").replace(TEXT, "$&\uFE0F");
}
