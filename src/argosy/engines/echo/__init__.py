"""Echo: answers with its input. The smallest engine, the template for new ones and the yardstick for overhead."""
