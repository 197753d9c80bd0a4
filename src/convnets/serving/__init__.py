"""A trained model put to use on pictures.

Begin with `predictor.py`.

Order, highest first; each imports only from below:

- export · http
- calibration · compared_answers · corrupted · health
- row_health
- evaluation · predictor · table_predictor
- engines · model_and_images · predictions
"""
