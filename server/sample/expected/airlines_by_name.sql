SELECT name, carrier FROM airlines ORDER BY name DESC, carrier;
