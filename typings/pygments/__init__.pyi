from pygments.formatters import Formatter
from pygments.lexers import Lexer

def highlight(code: str, lexer: Lexer, formatter: Formatter) -> str: ...
